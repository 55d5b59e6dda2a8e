"""What pages share that open offline: one file, no script, nothing fetched."""

from __future__ import annotations

import re
from base64 import b64encode
from html import escape

_HEAD = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --line: #8884; --soft: #8882; }}
body {{ font: 16px/1.45 system-ui, sans-serif; margin: 0 auto; max-width: 60rem;
 overflow-wrap: anywhere; padding: 1rem; }}
h1 {{ font-size: 1.5rem; margin: .2rem 0 .6rem; }}
article {{ border: 1px solid var(--line); border-left: .4rem solid; border-radius: .5rem;
 margin: 1rem 0; padding: .7rem .9rem; }}
.error {{ border-left-color: #c62828; }} .warning {{ border-left-color: #e09000; }}
.info {{ border-left-color: #4a78b8; }}
h2 {{ font-size: 1rem; margin: 0; }} h2 small {{ font-weight: normal; opacity: .75; }}
code {{ background: var(--soft); border-radius: .2rem; padding: 0 .2rem; }}
p {{ margin: .3rem 0 .6rem; }}
.items {{ display: flex; flex-wrap: wrap; gap: .8rem; }}
.items > section {{ background: var(--soft); border-radius: .4rem; padding: .5rem; }}
h3 {{ font-size: .9rem; margin: 0 0 .3rem; }}
.pictures {{ display: flex; flex-wrap: wrap; gap: .5rem; }}
figure {{ margin: 0; text-align: center; width: 8rem; }}
img {{ background: #fff; border-radius: .25rem; height: 8rem; object-fit: contain; width: 8rem; }}
figcaption {{ font-size: .8rem; opacity: .75; }}
@media (min-width: 40rem) {{ .items > section {{ max-width: calc(50% - 1.4rem); }} }}
@media (max-width: 32rem) {{ figure, img {{ width: 6.2rem; }} img {{ height: 6.2rem; }} }}
{style}</style>
"""


def head(title: str, style: str = "") -> str:
    """Return how a page begins; `style` is added to what all of them have."""
    return _HEAD.format(title=escape(title), style=style)


def picture(jpeg: bytes | None) -> str:
    """Return an image that is part of the page, or a word for a missing one."""
    if jpeg is None:
        return "no thumbnail"
    return f'<img alt="" src="data:image/jpeg;base64,{b64encode(jpeg).decode("ascii")}">'


def with_commands(text: str) -> str:
    """Return a sentence as HTML; commands in backticks are shown as such."""
    return re.sub(r"`(shitu [^`]*)`", r"<code>\1</code>", escape(text))


def printable(text: str) -> str:
    """Return text that UTF-8 can hold; a file name may be any bytes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
