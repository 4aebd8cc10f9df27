"""Index rows in, tables out: records, their comparison with controls, rankings, reports and formats."""
