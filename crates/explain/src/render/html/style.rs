//! How a page looks: light or dark as its reader wants it, on paper, and on a phone, where a row of a table becomes lines.

/// All before the first story; TITLE is to be put in.
pub(in crate::render) const HEAD: &str = r#"<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width,initial-scale=1"><title>TITLE</title>
<style>
:root{color-scheme:light dark;--ink:#1b1f24;--paper:#fff;--quiet:#57606a;--line:#8c959f;--good:#116329;--bad:#a40e26}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--paper:#0d1117;--quiet:#9ea7b3;--line:#6e7681;--good:#7ee787;--bad:#ff9492}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);margin:0;overflow-wrap:break-word}
bdi,b,code,td{unicode-bidi:isolate}
main{max-width:60rem;margin:auto;padding:1rem}h1{font-size:1.5rem}h2{font-size:1.2rem}h3{font-size:1rem;margin:.5rem 0}
summary{cursor:pointer;padding:.3rem 0}.q{color:var(--quiet)}.good{color:var(--good)}.bad{border-left:4px solid var(--bad);padding-left:1rem}
.step,.box{border-left:2px solid var(--line);padding-left:1rem;margin:.7rem 0}.gap{border-left-style:dotted}
table{border-collapse:collapse;display:block;overflow-x:auto}td,th{border:1px solid var(--line);padding:.2rem .5rem;text-align:left;vertical-align:top;overflow-wrap:anywhere}
td+td,th+th{min-width:6.5rem}@media(min-width:60rem){td:first-child{white-space:nowrap}}
@media(max-width:36rem){table,tbody,tr,td{display:block}tr:has(th){display:none}tr{border-top:1px solid var(--line);padding:.3rem 0}
td,td+td{border:0;padding:.1rem 0;min-width:0}td[data-l]::before{content:attr(data-l) ": ";color:var(--quiet)}
.v td{display:inline;padding-right:.6rem}}
.pic{overflow-x:auto}pre{white-space:pre-wrap;overflow-wrap:anywhere}dt{font-weight:bold}dd{margin:0 0 .3rem 1rem}
@media print{details:not([open])>*{display:block}details::details-content{content-visibility:visible}body{font-size:11px}.step,tr{break-inside:avoid}
h1,h2,h3,summary{break-after:avoid}.pic{overflow:visible}svg{max-width:100%;height:auto}}
</style></head><body><main>
"#;
