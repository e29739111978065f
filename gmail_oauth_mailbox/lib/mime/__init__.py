"""Reading mail: charsets, addresses, flowed lines, the names of files.

Pure functions on text and bytes of strangers. They never fail, and bound their work.
``limits`` holds bounds for what the standard library's parsers are slow or die with.
"""
