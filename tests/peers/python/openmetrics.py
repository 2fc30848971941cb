"""Reads what a scrape answers on stdin with the reference parser of OpenMetrics; prints the names of its metrics."""

import json
import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families

names = []
for family in text_string_to_metric_families(sys.stdin.read()):
    assert family.samples and family.documentation, family
    suffix = {"counter": "_total", "info": "_info"}.get(family.type, "")
    names.append(family.name + suffix)
json.dump(sorted(names), sys.stdout)
