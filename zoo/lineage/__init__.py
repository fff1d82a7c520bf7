"""What came of a document, and what an answer of a model rests on."""
