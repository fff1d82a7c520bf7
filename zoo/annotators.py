"""`zoo.annotators.<name>`: the folders of annotators, in a checkout and in an installed wheel alike."""

from zoo.library import folder

__path__ = [str(folder("annotators"))]
