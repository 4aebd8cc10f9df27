"""Records in, text out: tables, figures, pages; pure, and without torch.

The way of a table: index rows become `records`, and these `pairs` of one dataset, model and forget set;
`measures` have `spreads` over seeds, which Table 1 (`rank`) puts into `groups`; rows with `columns` are a
`table`, of which `formats` make text. Measures, formats and facts (`core.facts`) are declared in a list each.

May import: `core`, `evaluation`.
"""
