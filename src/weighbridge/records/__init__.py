"""Result files: the name and the data model of each, shared by producers and readers."""
