"""The workflow of the guide: what its runner calls is what the page's own blocks run with bash."""

from __future__ import annotations

from docs_kit import GUIDE, Page


def test_the_workflow_calls_the_script_that_the_page_runs() -> None:
    page = Page(GUIDE / "ci.md")
    (workflow,) = [block.text for block in page.blocks if block.language == "yaml"]
    calls = [line.split("run: ", 1)[1] for line in workflow.splitlines() if "- run: " in line]
    tried = "".join(block.text for block in page.blocks if block.runs)
    assert calls[0].startswith("pip install ")
    assert calls[1:]
    assert all(f"\n{call}\n" in tried for call in calls[1:])
    assert "--require-control retrained" in tried
