"""The look of the HTML report: light and dark as the reader's system is, and on paper."""

STYLE = """
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --text: #1b1f24; --soft: #59636e; --line: #d5dae0; --code: #eef1f4;
  --good: #1a7f37; --bad: #c6232f; --warn: #8a5a00; --info: #0a62c4; --goodly: #e3f5e8; --badly: #fdeaea;
  --warnly: #fdf3dc; --infoly: #e6f0fc; --one: #0072b2; --two: #d55e00; --three: #008a62; --four: #b3478c;
  --five: #a87400; --six: #2a8fc7; --wrong: 213, 94, 0;
}
@media (prefers-color-scheme: dark) { :root {
  --page: #0e1116; --card: #171b21; --text: #e3e8ee; --soft: #9aa5b1; --line: #313843; --code: #222831;
  --good: #4ac26b; --bad: #ff7b72; --warn: #e3b341; --info: #6cb6ff; --goodly: #12301c; --badly: #3a1618;
  --warnly: #33270b; --infoly: #10263f; --one: #56b4e9; --two: #ff9245; --three: #35c79b; --four: #e59ac8;
  --five: #e6b12f; --six: #9ad0f0; --wrong: 255, 146, 69;
} }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 16px/1.55 system-ui, sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; }
h1 { font-size: 1.45rem; line-height: 1.3; margin: 0 0 .3rem; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 2rem 0 .6rem; }
h3 { font-size: 1.05rem; line-height: 1.35; margin: 0 0 .6rem; overflow-wrap: anywhere; }
h4 { font-size: .95rem; margin: 1.2rem 0 .3rem; }
p, ul, ol { margin: .5rem 0; }
p, li, dd, td, summary { overflow-wrap: anywhere; }
ul.plain { list-style: none; padding: 0; }
ul.plain li { padding-left: 1.6rem; text-indent: -1.6rem; }
ul.plain .mark { display: inline-block; width: 1.6rem; text-indent: 0; }
code, pre { font: .9em/1.45 ui-monospace, "Cascadia Mono", Consolas, monospace; background: var(--code);
  border-radius: .3rem; }
code { padding: .1em .3em; overflow-wrap: anywhere; }
pre { padding: .6rem .8rem; margin: .4rem 0; white-space: pre-wrap; overflow-wrap: anywhere; }
a { color: var(--info); }
.soft { color: var(--soft); font-size: .9rem; }
.card { background: var(--card); border: 1px solid var(--line); border-left: .3rem solid var(--line);
  border-radius: .5rem; padding: 1rem 1.2rem; margin: .8rem 0; }
.card > :last-child, dl > :last-child, dd > :last-child { margin-bottom: 0; }
.verdict { padding: 1.2rem; }
.healthy { border-left-color: var(--good); }
.problem, .error { border-left-color: var(--bad); }
.inconclusive, .warn { border-left-color: var(--warn); }
.info { border-left-color: var(--info); }
.badge { display: inline-block; border-radius: 1rem; padding: .05rem .6rem; font-size: .8rem; font-weight: 600;
  white-space: nowrap; background: var(--code); color: var(--soft); }
.badge.good { background: var(--goodly); color: var(--good); }
.badge.bad { background: var(--badly); color: var(--bad); }
.badge.warn { background: var(--warnly); color: var(--warn); }
.badge.info { background: var(--infoly); color: var(--info); }
.mark.good { color: var(--good); } .mark.bad { color: var(--bad); } .mark.warn { color: var(--warn); }
dl { display: grid; grid-template-columns: minmax(6.5rem, max-content) 1fr; gap: .35rem 1rem; margin: .6rem 0; }
dt { font-weight: 600; } dd { margin: 0; min-width: 0; }
dd > p:first-child { margin-top: 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; white-space: nowrap; }
td.name { min-width: 11rem; } td.about { min-width: 6rem; } td.reason { min-width: 16rem; }
th:first-child, td:first-child { padding-left: 0; }
table.confusion { width: auto; font-variant-numeric: tabular-nums; }
table.confusion td { white-space: nowrap; }
table.confusion th, table.confusion td { text-align: right; padding: .15rem .5rem; }
table.confusion td.right { font-weight: 600; } table.confusion td.none { color: var(--soft); }
summary { cursor: pointer; padding: .2rem 0; }
figure { margin: .6rem 0; } figcaption { color: var(--soft); font-size: .9rem; }
svg { display: block; width: 100%; min-width: 30rem; max-width: 44rem; height: auto; }
svg text { font: 11px system-ui, sans-serif; fill: var(--soft); }
svg .grid { stroke: var(--line); stroke-width: 1; } svg .curve { fill: none; stroke-width: 1.8; }
svg .checked { stroke-dasharray: 5 3; }
.c0 { stroke: var(--one); } .c1 { stroke: var(--two); } .c2 { stroke: var(--three); } .c3 { stroke: var(--four); }
.c4 { stroke: var(--five); } .c5 { stroke: var(--six); }
@media (max-width: 40rem) { dl { grid-template-columns: 1fr; gap: 0; }
  dd, dl > dd:last-child { margin-bottom: .6rem; } }
@media print {
  :root { --page: #fff; --card: #fff; --text: #000; --soft: #444; --code: #f2f2f2; }
  main { max-width: none; padding: 0; } .card, figure, tr { break-inside: avoid; } h2, h3 { break-after: avoid; }
}
"""
