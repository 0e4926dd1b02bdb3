"""`python -m resilient.cli`."""

import sys

from resilient.cli.command import main

sys.exit(main())
