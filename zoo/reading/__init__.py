"""Reading files: finding them, telling what they are, and parsing each in a process of its own."""
