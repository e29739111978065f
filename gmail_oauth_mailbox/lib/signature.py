"""The signature at the end of a mail that is being written."""

from lxml import html

SIGNATURE = "o_gmail_signature"
# Ours, and the one that Odoo puts into its full composer.
BLOCKS = f"//div[contains(@class, '{SIGNATURE}') or @data-o-mail-quote]"


def block(signature):
    """Return a signature (HTML) as it stands in a mail, or "" for an empty one."""
    return f'<p><br></p><div class="{SIGNATURE}">{signature}</div>' if signature else ""


def exchange(body, known, new, may_append=False):
    """Return a mail with another signature, where one of the known stands as it was.

    What its writer has changed or deleted stays so.

    :param body: HTML
    :param known: set of the signatures (HTML, or "") that may stand there
    :param new: HTML of the signature to put there, or ""
    :param may_append: put it at the end of a mail that has no place for one

    >>> exchange(f"<p>Yes</p>{block('Anna')}", {"Anna"}, "Sales")
    '<p>Yes</p><p><br></p><div class="o_gmail_signature">Sales</div>'
    """
    root = _parsed(body)
    old = {_words(_parsed(text)) for text in known if text}
    for found in root.xpath(BLOCKS):
        words = _words(found)
        if words in old or (not words and SIGNATURE in found.get("class", "")):
            for child in list(found):
                child.drop_tree()
            fresh = _parsed(new)
            found.text = fresh.text
            found.extend(fresh)
            may_append = False
            break
    if may_append:
        return f"{body}{block(new)}"
    return html.tostring(root, encoding="unicode")[len("<div>") : -len("</div>")]


def _parsed(text):
    return html.fragment_fromstring(text, create_parent="div")


def _words(element):
    words = element.text_content().split()
    return tuple(words[1:] if words[:1] == ["--"] else words)
