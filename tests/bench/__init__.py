"""The benchmarks of ./dev bench, a module each; `python` of the machine runs them.

What runs inside Odoo is in in_odoo.py, which `odoo shell` gets on its input.
"""
