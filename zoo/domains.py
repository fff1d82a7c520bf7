"""`zoo.domains.<name>`: the folders of domains, in a checkout and in an installed wheel alike."""

from zoo.library import folder

__path__ = [str(folder("domains"))]
