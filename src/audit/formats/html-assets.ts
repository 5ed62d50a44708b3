// Style and script of the report in HTML. The file asks nothing of any network, and can be read without the script.

export const STYLE = `
:root { color-scheme: light dark; --paper: #fff; --ink: #1c2430; --soft: #5b6675; --line: #dfe4ea; --panel: #f5f7fa;
  --fail: #c02626; --pass: #18794e; --unknown: #9a6700; --low: #4a6076; }
@media (prefers-color-scheme: dark) { :root { --paper: #12161c; --ink: #e4e9f0; --soft: #9aa7b6; --line: #2b333e; --panel: #1a2028;
  --fail: #ff7b72; --pass: #56d39b; --unknown: #e3b341; --low: #9db4cc; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 68rem; padding: 2rem 1.5rem 4rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.7rem; margin: 0; letter-spacing: -.01em; }
h2 { font-size: 1.2rem; margin: 2.6rem 0 .8rem; }
p { margin: .4rem 0; }
a { color: inherit; }
code, pre { font: .86em/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
pre { margin: .4rem 0; padding: .7rem .9rem; background: var(--paper); border: 1px solid var(--line); border-radius: 6px;
  overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere; }
.soft { color: var(--soft); }
.small { font-size: .88rem; }
.fail { color: var(--fail); } .pass { color: var(--pass); } .unknown { color: var(--unknown); }
.checks { display: grid; grid-template-columns: repeat(auto-fit, minmax(18rem, 1fr)); gap: .8rem; margin: 1.4rem 0 0; padding: 0; list-style: none; }
.checks > li { padding: .8rem 1rem; background: var(--panel); border-radius: 8px; border-left: 5px solid currentColor; }
.checks > li > strong, .checks > li > ul { color: var(--ink); }
.checks > li > .soft, .checks li .soft { color: var(--soft); }
.checks strong { display: block; font-weight: 600; }
.checks .word { font-weight: 700; text-transform: uppercase; font-size: .78rem; letter-spacing: .06em; }
.checks .word.fail { color: var(--fail); } .checks .word.pass { color: var(--pass); } .checks .word.unknown { color: var(--unknown); }
.checks ul { margin: .4rem 0 0; padding: 0; list-style: none; font-size: .86rem; }
.checks li li { margin-top: .25rem; overflow-wrap: anywhere; }
.totals { display: flex; flex-wrap: wrap; gap: .4rem 1.6rem; margin: 1rem 0 0; padding: 0; list-style: none; }
.totals b { font-size: 1.25rem; margin-right: .3rem; }
.notice { margin: 1.2rem 0 0; padding: .6rem 1rem; border-left: 5px solid var(--unknown); background: var(--panel); border-radius: 8px; }
table { width: 100%; border-collapse: collapse; font-size: .93rem; }
th, td { text-align: left; vertical-align: top; padding: .4rem .8rem .4rem 0; border-bottom: 1px solid var(--line); }
th { font-weight: 600; color: var(--soft); font-size: .82rem; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.break { overflow-wrap: anywhere; }
.badge { display: inline-block; min-width: 4.7rem; padding: .05rem .5rem; border: 1px solid currentColor; border-radius: 99px; font-size: .76rem;
  font-weight: 600; text-align: center; white-space: nowrap; }
.critical { background: var(--fail); border-color: var(--fail); color: var(--paper); }
.high { color: var(--fail); } .medium { color: var(--unknown); } .low, .info { color: var(--low); }
.badge.unknown { border-style: dashed; }
form { position: sticky; top: 0; z-index: 1; display: flex; flex-wrap: wrap; gap: .6rem; align-items: end; padding: .7rem 0; background: var(--paper);
  border-bottom: 1px solid var(--line); }
form[hidden] { display: none; }
form label { display: grid; font-size: .78rem; color: var(--soft); gap: .15rem; }
form label.wide { flex: 1 1 12rem; }
select, input { height: 2.1rem; font: inherit; font-size: .92rem; padding: .3rem .5rem; border: 1px solid var(--line); border-radius: 6px; background: var(--panel);
  color: var(--ink); max-width: 17rem; }
.wide input { width: 100%; max-width: none; }
output { font-size: .86rem; color: var(--soft); padding-bottom: .35rem; }
details.finding { border-bottom: 1px solid var(--line); }
details.finding[hidden] { display: none; }
summary { cursor: pointer; }
details.finding > summary { display: grid; grid-template-columns: 5.6rem 1fr; gap: .1rem .8rem; padding: .6rem 0; list-style: none; align-items: baseline; }
details.finding > summary::-webkit-details-marker { display: none; }
details.finding > summary:hover, details.finding > summary:focus-visible { background: var(--panel); }
details.finding > summary > span:last-child { min-width: 0; overflow-wrap: anywhere; }
details.finding[open] { background: var(--panel); }
.body { padding: 0 1rem 1rem 6.4rem; overflow-wrap: anywhere; }
.body h4 { margin: .9rem 0 .2rem; font-size: .82rem; color: var(--soft); font-weight: 600; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; margin: 0; font-size: .92rem; }
dt { color: var(--soft); } dd { margin: 0; min-width: 0; overflow-wrap: anywhere; }
.rule { padding: .5rem 0; border-bottom: 1px solid var(--line); }
.rule:target, details.finding:target { outline: 2px solid var(--unknown); outline-offset: 4px; }
h3 { font-size: 1rem; margin: 1.6rem 0 .3rem; }
.graph { margin: 1rem 0 .4rem; }
.graph svg { display: block; width: 100%; height: auto; }
.edge path { fill: none; stroke: currentColor; stroke-width: 1.4; } .edge polygon { fill: currentColor; }
.edge.hole { color: var(--fail); } .edge.hole path { stroke-width: 3; }
.edge.breakage { color: var(--unknown); } .edge.breakage path { stroke-width: 2.4; stroke-dasharray: 9 5; }
.edge.unknown { color: var(--unknown); } .edge.unknown path { stroke-dasharray: 2 5; stroke-width: 2; }
.edge.one-layer { color: var(--low); } .edge.one-layer path { stroke-dasharray: 12 4 2 4; stroke-width: 1; } .graph .edge.one-layer { opacity: .3; }
.graph .edge.one-layer:hover { opacity: 1; }
.edge.allowed { color: var(--pass); }
.edge:hover path { stroke-width: 4; }
.node rect { fill: var(--panel); stroke: var(--soft); stroke-width: 1.2; } .node.empty rect { stroke-dasharray: 4 4; }
.node text, .mark text { text-anchor: middle; fill: var(--ink); } .node .name { font-size: 14px; font-weight: 600; }
.node .count { font-size: 12px; fill: var(--soft); } .node.empty .name { fill: var(--soft); }
.mark rect { fill: var(--paper); stroke: currentColor; stroke-width: 1.4; } .mark text { font-size: 12px; font-weight: 700; fill: currentColor; }
.mark.hole { color: var(--fail); } .mark.hole rect { fill: var(--fail); } .mark.hole text { fill: var(--paper); }
.mark.breakage, .mark.unknown { color: var(--unknown); } .mark.one-layer { color: var(--low); }
.mark:hover rect, .mark:focus-visible rect { stroke-width: 3.5; } .mark:focus-visible { outline: none; }
.keys { display: flex; flex-wrap: wrap; gap: .2rem 1.6rem; margin: 0 0 1rem; padding: 0; list-style: none; color: var(--soft); }
.keys li { display: flex; align-items: center; gap: .5rem; } .keys b { color: var(--ink); }
.graph-key { width: 44px; height: 14px; flex: none; }
.layer { display: inline-block; white-space: nowrap; }
details.edges { margin: .4rem 0; } details.edges > summary { padding: .3rem 0; }
tr:target { outline: 2px solid var(--unknown); outline-offset: -2px; }
@media (max-width: 40rem) { .body { padding-left: .8rem; } dl { grid-template-columns: 1fr; } }
@media print { form { display: none; } body { max-width: none; } }
`;

export const SCRIPT = `
'use strict';
const form = document.querySelector('form');
const findings = [...document.querySelectorAll('details.finding')];
const count = document.querySelector('output');
const show = () => {
  const wanted = Object.fromEntries(new FormData(form));
  const words = wanted.text.toLowerCase().split(/\\s+/).filter(Boolean);
  let shown = 0;
  for (const finding of findings) {
    const { severity, namespace, rule, state } = finding.dataset;
    const fits = (!wanted.severity || wanted.severity === severity) && (!wanted.namespace || wanted.namespace === namespace)
      && (!wanted.rule || wanted.rule === rule) && (!wanted.state || wanted.state === state);
    const text = words.length === 0 ? '' : finding.textContent.toLowerCase();
    finding.hidden = !(fits && words.every((word) => text.includes(word)));
    if (!finding.hidden) shown += 1;
  }
  count.textContent = shown + ' of ' + findings.length;
};
const open = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  target.hidden = false;
  for (let at = target; at; at = at.parentElement) if (at.tagName === 'DETAILS') at.open = true;
  target.scrollIntoView();
};
if (form) {
  form.hidden = false;
  form.addEventListener('input', show);
  form.addEventListener('submit', (event) => event.preventDefault());
  show();
}
addEventListener('hashchange', open);
open();
`;
