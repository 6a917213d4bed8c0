"""The page around what is printed: one HTML file that asks nothing of anybody, on a screen and on A4.

Pure.  No script, no request: styles stand inside, fonts are the reader's own.  `style_digest` lets a
Content-Security-Policy admit this style and no other.
"""

import base64
import hashlib

from geo_service.maps import layers
from geo_service.prints import charts
from geo_service.prints.words import Words, joined

_STYLE = """
:root{--ink:#1c2428;--quiet:#66737a;--rule:#d5dcdf;--paper:#fff;--accent:#0b5d66;--band:#bcd8d6;--alarm:#b3123b}
*{box-sizing:border-box}
html{background:#eceff0}
body{margin:0 auto;max-width:210mm;padding:14mm 13mm;background:var(--paper);color:var(--ink);
font:10.5pt/1.5 "Noto Sans CJK SC","Source Han Sans SC","PingFang SC","Microsoft YaHei",system-ui,sans-serif;
font-variant-numeric:tabular-nums}
h1,h2,.figure{font-weight:700;
font-family:"Noto Serif CJK SC","Source Han Serif SC","Songti SC",SimSun,Georgia,serif}
h1{margin:0;font-size:23pt;line-height:1.2;letter-spacing:.02em}
h2{margin:9mm 0 2.5mm;padding-top:2mm;border-top:1.2pt solid var(--ink);font-size:13pt;line-height:1.3;
break-after:avoid}
h3{margin:6mm 0 1mm;font-size:11pt;break-after:avoid}
h1 [lang=en],h2 [lang=en]{font-family:Georgia,"Times New Roman",serif;font-weight:400;color:var(--quiet)}
h1 [lang=en]:not(:first-child){display:block;margin-top:1mm;font-size:13pt}
h2 [lang=en]:not(:first-child){margin-left:.6em;font-size:10.5pt}
p{margin:1.5mm 0}
p [lang=en]:not(:first-child){display:block;color:var(--quiet)}
a{color:var(--accent)}
.quiet,.note{color:var(--quiet);font-size:8.8pt}
header .quiet{margin-top:2mm}
table{width:100%;border-collapse:collapse;font-size:9pt;line-height:1.35}
caption{text-align:left;color:var(--quiet);padding-bottom:1mm}
th{padding:1mm 1.6mm;border-bottom:.8pt solid var(--ink);text-align:left;vertical-align:bottom;font-weight:600}
th [lang=en]:not(:first-child){display:block;font-weight:400;font-size:7.6pt;color:var(--quiet)}
td{padding:.9mm 1.6mm;border-bottom:.4pt solid var(--rule);vertical-align:middle}
td [lang=en]:not(:first-child){font-size:8pt}td .alarm,td:first-child{white-space:nowrap}
td .quiet,td .note{font-size:inherit}
.number{text-align:right;white-space:nowrap}
tr.all td{font-weight:600;background:#f2f6f6}
tr{break-inside:avoid}
thead{display:table-header-group}
.scroll{overflow-x:auto}
.figures{display:flex;flex-wrap:wrap;gap:5mm 9mm;margin:4mm 0}
.figures>div{flex:1 1 50mm}
.figure{font-size:34pt;line-height:1.1;color:var(--accent)}
.side{display:grid;grid-template-columns:1fr 1fr;gap:7mm;align-items:start}
.many{display:grid;grid-template-columns:1fr 1fr;gap:3mm 6mm}
figure{margin:2mm 0;break-inside:avoid}
figcaption{font-size:8.8pt;color:var(--quiet)}
svg{display:block;max-width:100%;height:auto}
td svg,li svg{display:inline-block;vertical-align:middle;max-width:none}
td svg.colours{width:26mm}td svg.interval{width:24mm}.figures svg{width:70mm;margin:2mm 0}
.map{max-height:128mm;margin:0 auto}
dl{display:grid;grid-template-columns:38mm 1fr;gap:1mm 4mm;margin:1.5mm 0}
dt{font-weight:600}dd{margin:0}
dt [lang=en]:not(:first-child),dd [lang=en]:not(:first-child){display:block;font-weight:400;color:var(--quiet)}
h2.kind{margin-top:6mm;font-size:16pt}
h3 [lang=en]:not(:first-child){margin-left:.4em;font-weight:400;color:var(--quiet)}
.axis{stroke:var(--rule);stroke-width:1}.band{stroke:var(--band);stroke-width:6}.value,.dot{fill:var(--accent)}
.one{stroke:var(--quiet);stroke-width:.8;stroke-dasharray:2 1.5}
.grid{stroke:var(--rule);stroke-width:.6}.tick{fill:var(--quiet);font-size:10px}
.counts{fill:none;stroke:var(--accent);stroke-width:1.6}
.line{fill:none;stroke:#8a6d3b;stroke-width:1.2;stroke-dasharray:5 3}
.noise{fill:var(--band);fill-opacity:.65}.ring{fill:none;stroke:var(--alarm);stroke-width:1.8}
.alarm{color:var(--alarm);font-weight:700}
.many h3{margin:2mm 0 0;font-size:9.5pt}
.zone{stroke:#fff;stroke-width:.5;stroke-linejoin:round;fill-rule:evenodd}.edge{stroke:var(--quiet);stroke-width:.5}
path[class^=over]{fill-rule:evenodd}
.pattern path{fill:none;stroke:#fff;stroke-width:.9;stroke-opacity:.75}.pattern circle{fill:#888}
.scale{fill:none;stroke:var(--ink);stroke-width:1.2}.north{fill:var(--ink)}
.definitions{position:absolute}
.key{display:flex;flex-wrap:wrap;gap:1mm 5mm;margin:1.5mm 0;padding:0;list-style:none;font-size:8.8pt}
.key li{display:flex;align-items:center;gap:1.5mm}
.key svg{flex:none}
form{display:flex;flex-wrap:wrap;gap:2mm 4mm;align-items:end;margin:4mm 0;padding:3mm;background:#f2f6f6}
label{display:grid;font-size:8.8pt;color:var(--quiet)}
select,input,button{font:inherit;font-size:10pt;padding:.8mm 1.5mm;color:var(--ink)}
nav{display:flex;flex-wrap:wrap;gap:1mm 5mm;margin:3mm 0}
nav [aria-current]{font-weight:700;color:var(--ink);text-decoration:none}
footer{margin-top:8mm;border-top:.8pt solid var(--ink);padding-top:2mm;font-size:8.5pt;color:var(--quiet)}
@media screen and (max-width:700px){.side,.many{grid-template-columns:1fr}body{padding:5mm}}
@page{size:A4;margin:14mm 13mm}
@media print{html{background:none}body{max-width:none;padding:0;font-size:9.5pt}table{font-size:8.4pt}
form,nav{display:none}.scroll{overflow:visible}*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
"""


def style(scheme: layers.LevelScheme) -> str:
    """Give the style of every page, the levels' colours among it."""
    return _STYLE + charts.level_style(scheme)


def style_digest(scheme: layers.LevelScheme) -> str:
    """Give the source that a Content-Security-Policy names to admit the style: 'sha256-…'."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(style(scheme).encode()).digest()).decode()}'"


def document(title: str, body: list[str], words: Words, scheme: layers.LevelScheme) -> str:
    """Make a page of its title (plain) and the pieces of its body (HTML)."""
    tag = {"zh": "zh-CN", "en": "en"}[words.leading]
    return joined(
        [
            f'<!doctype html>\n<html lang="{tag}">',
            '<head>\n<meta charset="utf-8">\n<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<title>{title}</title>\n<link rel="icon" href="data:,">',
            f"<style>{style(scheme)}</style>\n</head>\n<body>",
            charts.patterns(scheme),
            *body,
            "</body>\n</html>\n",
        ]
    )
