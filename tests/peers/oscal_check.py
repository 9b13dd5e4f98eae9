"""Whether compliance-trestle accepts OSCAL assessment results: reads them strictly, and runs every validator on them.

Usage: oscal_check.py FILE...; prints one line for each file, or what is wrong with the first that is wrong.
"""

import argparse
import pathlib
import sys
import warnings

warnings.filterwarnings("ignore")

from trestle.common import const  # noqa: E402
from trestle.core.validator_factory import validator_factory  # noqa: E402
from trestle.oscal.assessment_results import AssessmentResults  # noqa: E402

for name in sys.argv[1:]:
    results = AssessmentResults.oscal_read(pathlib.Path(name))
    if results is None:
        sys.exit(f"{name}: there is nothing in it")
    validator = validator_factory.get(argparse.Namespace(mode=const.VAL_MODE_ALL))
    if not validator.model_is_valid(results, False, None):
        sys.exit(f"{name}: trestle says that it is not valid")
    findings = [finding for result in results.results for finding in result.findings or []]
    states = sorted(str(finding.target.status.state.value) for finding in findings)
    version = results.metadata.oscal_version.model_dump()
    print(f"{name} {version} findings={len(findings)} satisfied={states.count('satisfied')}")
