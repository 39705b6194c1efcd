"""Signs the probe in, and names things in addresses that are really there.

What it needs comes by the environment: PROBE_URL, PROBE_AS (guest, bearer or cookie), PROBE_EMAIL, PROBE_PASSWORD,
PROBE_SCOPE if a token is to have less than all, PROBE_SESSION if somebody is signed in already, and PROBE_KNOWN, a JSON
object that gives for a name in an address the things that it may name.
"""

import json
import os
import random
import re

import requests
import schemathesis

URL = os.environ["PROBE_URL"].rstrip("/")
WAY = os.environ["PROBE_AS"]
KNOWN = json.loads(os.environ.get("PROBE_KNOWN", "{}"))
WHO = {"email": os.environ.get("PROBE_EMAIL", ""), "password": os.environ.get("PROBE_PASSWORD", "")}

dice = random.Random(20261123)
proof = None


def sign_in():
    if session := os.environ.get("PROBE_SESSION"):
        return session
    if WAY == "bearer":
        scope = {"scope": os.environ["PROBE_SCOPE"]} if "PROBE_SCOPE" in os.environ else {}
        answer = requests.post(f"{URL}/api/auth/login", json=WHO | scope, timeout=30)
        answer.raise_for_status()
        return answer.json()["access_token"]
    answer = requests.post(f"{URL}/login", data=WHO, allow_redirects=False, timeout=30)
    return answer.cookies["session"]


if WAY != "guest":

    @schemathesis.auth(refresh_interval=None)
    class Proof:
        def get(self, case, ctx):
            global proof
            proof = proof or sign_in()
            return proof

        def set(self, case, data, ctx):
            if WAY == "bearer":
                case.headers["Authorization"] = f"Bearer {data}"
            else:
                case.cookies["session"] = data


@schemathesis.hook
def before_call(ctx, case, kwargs):
    """A key is for one call only, and this probe would use each for many. Keys have tests of their own; what is no key
    stays here too."""
    headers = case.headers or {}
    if re.fullmatch(r"[!-~]{1,255}", headers.get("Idempotency-Key", "")):
        del headers["Idempotency-Key"]


@schemathesis.hook
def after_call(ctx, case, response):
    """Some operations sign out, and are meant to: the next call begins anew."""
    global proof
    if response.status_code == 401:
        proof = None


@schemathesis.hook
def map_path_parameters(ctx, path_parameters):
    """Every other address names something that is there."""
    if not path_parameters:
        return path_parameters
    path = ctx.operation.path
    for name in path_parameters:
        things = next((things for part, things in KNOWN.items() if part in path), None)
        if things and dice.random() < 0.5:
            path_parameters[name] = dice.choice(things)
    return path_parameters
