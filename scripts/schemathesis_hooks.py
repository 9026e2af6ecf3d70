"""Hooks for schemathesis, which scripts/schemathesis runs."""

import os
import re

import schemathesis


@schemathesis.hook
def before_call(context, case, kwargs):
    # A cursor belongs to the page and the filters that it came with; no schema can say so. One that has
    # the right form but was made up is left out. Those of a wrong form stay: they must be refused.
    cursor = (case.query or {}).get("cursor")
    if isinstance(cursor, str) and re.fullmatch("[0-9a-f]{42}", cursor):
        del case.query["cursor"]

    # A made-up id is of no message; every second well-formed one becomes that of a stored message.
    wanted = (case.path_parameters or {}).get("id")
    form = "[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
    well_formed = isinstance(wanted, str) and re.fullmatch(form, wanted, re.IGNORECASE)
    if well_formed and int(wanted[-1], 16) % 2:
        case.path_parameters["id"] = os.environ["CHATCLUSTER_MESSAGE"]

    # Nobody has a made-up name; every second well-formed one becomes that of a user, or of a device of theirs.
    parameters = case.path_parameters or {}
    user, device = parameters.get("user"), parameters.get("device")
    if isinstance(user, str) and re.fullmatch("[A-Za-z0-9._:@+-]{1,128}", user) and len(user) % 2:
        parameters["user"] = "alice"
    if isinstance(device, str) and re.fullmatch("[A-Za-z0-9._:-]{1,64}", device) and len(device) % 2:
        parameters["device"] = f"d{len(device) % 10}"
