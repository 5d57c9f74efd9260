"""A stand-in for the official endpoints client, written for tests of what drives it and reads its files.

It has the client's module path and command line, really sends requests, and writes files of the same shape.
"""

__version__ = "0.1.0"
