// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace wakeline::sim {

/// The top of a report: everything that the page looks like, and nothing from elsewhere.
inline constexpr std::string_view kPageHead = R"html(<!doctype html>
<html lang=en>
<head><meta charset=utf-8><meta name=viewport content="width=device-width,initial-scale=1">
<meta name=color-scheme content="light dark">
<style>
:root{--bg:#fbfbfa;--fg:#1c2024;--dim:#5a6270;--line:#d9dce1;--card:#fff;--awake:#0b6bcb;
--use:#6b2fb3;
--susp:#c4cbd6;--dark:#c62f2f;--radio:#b06a00;--asleep:#7d8794;--off:#1c2024;--good:#0f6b3a;
--bad:#b3261e}
@media(prefers-color-scheme:dark){:root{--bg:#14171b;--fg:#e8eaed;--dim:#a3abb8;--line:#343a43;
--card:#1d2127;
--awake:#5aa9ff;--use:#b98cff;--susp:#465062;--dark:#ff6b61;--radio:#ffb454;--asleep:#8a94a3;
--off:#e8eaed;
--good:#5dd39e;--bad:#ff8a80}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:68rem;padding:1.5rem 1rem 3rem;background:var(--bg);color:var(--fg);
font:16px/1.5 system-ui,sans-serif}
h1{font-size:1.9rem;line-height:1.2;margin:.2rem 0 .5rem}h2{font-size:1.25rem;
margin:2.2rem 0 .6rem}
.kicker{font-family:ui-monospace,monospace;font-size:.85rem;color:var(--dim);margin:0;
overflow-wrap:anywhere}
header p{max-width:46rem;margin:.3rem 0}footer{margin-top:3rem;color:var(--dim);font-size:.85rem}
.skip{position:absolute;left:-99rem}.skip:focus{left:1rem;top:.5rem;background:var(--card);
padding:.4rem .8rem}
:focus-visible{outline:3px solid var(--awake);outline-offset:2px}
.good{color:var(--good);font-weight:600}.bad{color:var(--bad);font-weight:600}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(9.5rem,1fr));gap:.6rem;margin:0}
.card{background:var(--card);border:1px solid var(--line);border-radius:.5rem;padding:.6rem .8rem}
dt{color:var(--dim);font-size:.8rem}dd{margin:0;font-size:1.15rem;
font-variant-numeric:tabular-nums}
dd small{color:var(--dim);font-size:.75rem;display:block;min-height:1.1em}
figure{margin:0 0 1.2rem;background:var(--card);border:1px solid var(--line);border-radius:.5rem;
padding:.7rem .8rem}
figcaption{font-weight:600;margin-bottom:.3rem}
.scroll{overflow-x:auto}svg{display:block;width:100%;min-width:40rem;height:auto}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;padding:0;
margin:.4rem 0 .8rem;font-size:.85rem}
.legend i{display:inline-block;width:1.1rem;height:.7rem;margin-right:.4rem;border-radius:2px;
border:1px solid transparent}
path.awake,i.awake{fill:var(--awake);background:var(--awake)}path.foreground,
i.foreground{fill:var(--use);background:var(--use)}
path.suspended,i.suspended{fill:var(--susp);background:var(--susp)}path.dark,
i.dark{fill:var(--dark);background:var(--dark)}
path.radio,i.radio{fill:var(--radio);background:var(--radio)}path.asleep,
i.asleep{fill:var(--asleep);background:var(--asleep)}
path.off,i.off{fill:var(--off);background:var(--off)}
.grid{stroke:var(--line);fill:none}.tick{fill:var(--dim);font-size:12px}.label{fill:var(--fg);
font-size:12px}
path.energy{stroke:var(--awake);fill:none;stroke-width:2.5}circle.energy,
text.energy{fill:var(--awake)}i.energy{background:var(--awake)}
path.notice{stroke:var(--radio);fill:none;stroke-width:2.5;stroke-dasharray:7 4}circle.notice,
text.notice{fill:var(--radio)}i.notice{background:var(--radio)}
.darkzone{fill:var(--dark);opacity:.12}
table{border-collapse:collapse;font-size:.82rem;font-variant-numeric:tabular-nums;width:100%}
th,td{text-align:right;padding:.3rem .45rem;border-bottom:1px solid var(--line);
white-space:nowrap}
th:first-child,.text{text-align:left}thead th{color:var(--dim);font-weight:600;
font-size:.8rem}
.same{color:var(--dim)}summary{cursor:pointer;margin:.3rem 0}
</style>
)html";

}  // namespace wakeline::sim
