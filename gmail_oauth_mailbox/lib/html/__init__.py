"""HTML of strangers.

``hostile``
    Bounds: what no parser is given, because it is known to be slow with it.
``sizes``
    Bounds for the lengths that a text asks for on the screen.
``stylesheet``
    The spacing that a text's own style sheet gives to its paragraphs.
"""
