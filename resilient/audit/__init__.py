"""`resilient audit`: where code calls vendors without protection. Static: nothing of it is run."""

from resilient.audit.files import EXCLUDED, TESTS
from resilient.audit.formats import as_json, as_sarif, shown
from resilient.audit.rules import RULES, Finding, Problem, Rule
from resilient.audit.running import Report, audit

__all__ = [
    "EXCLUDED",
    "RULES",
    "TESTS",
    "Finding",
    "Problem",
    "Report",
    "Rule",
    "as_json",
    "as_sarif",
    "audit",
    "shown",
]
