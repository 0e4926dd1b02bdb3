"""A dashboard: how services and functions stand, live, for people. A WSGI application.

app.wsgi_app = mounted(app.wsgi_app, "/resilient", dashboard())             # Flask
application = mounted(get_wsgi_application(), "/resilient", dashboard())    # Django's wsgi.py

board          `dashboard`, `mounted`
app            from a request to an answer         access    who may look
serving        a server of its own                 assets    style sheet, script, icon
overview, detail, frame, plots                     the pages
view           rows and states                     history   figures over time
live, logs     where the figures come from         entries   what a line of a log tells
stories        calls that went wrong
"""

from __future__ import annotations

from resilient.diagnostics.dashboard.access import Access
from resilient.diagnostics.dashboard.app import Dashboard
from resilient.diagnostics.dashboard.board import dashboard, mounted
from resilient.diagnostics.dashboard.live import Live
from resilient.diagnostics.dashboard.logs import Logs
from resilient.diagnostics.dashboard.serving import Server, served

__all__ = ["Access", "Dashboard", "Live", "Logs", "Server", "dashboard", "mounted", "served"]
