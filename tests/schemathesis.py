"""What schemathesis (tests/api/service/schemathesis.rs) may find refused although the schema allows it.

A schema cannot say what depends on what is stored, or on a list of words. Everything else that fits its schema must be
accepted: this stands in for the check `positive_data_acceptance`.
"""

import schemathesis
from schemathesis.specs.openapi.checks import positive_data_acceptance

# Field errors by pointer and code.
UNSAID = {
    # Two or three letters that ISO 3166-1 gives to no country.
    ("#/address/country", "format"),
    # The internationalised domain is checked by the tables of Unicode.
    ("#/email", "format"),
    # Bytes are counted, in the ASCII form of the domain too.
    ("#/email", "too_long"),
    # 7.0, which JSON Schema counts as an integer and the service does not.
    ("#/address/postal_code", "out_of_range"),
    # Days that have not begun.
    ("#/date_of_birth", "out_of_range"),
    # The customer's own.
    ("#/email", "taken"),
    # Guessed too easily, other than its repetition, or other than the stored one.
    ("#/password", "password_weak"),
    ("#/password2", "mismatch"),
    ("#/new_password", "password_weak"),
    ("#/current_password", "incorrect"),
}
# What PATCH leaves out may be stored, or not.
MERGED = {(f"#/address/{name}", "required") for name in ("street_address", "city", "country")}


@schemathesis.check
def acceptance(ctx, response, case):
    # A precondition depends on the stored version.
    if response.status_code == 412 and case.headers and {"If-Match", "If-None-Match"} & set(case.headers):
        return
    # No link of this service is in the document.
    if response.status_code == 400 and response.json()["code"] == "link_invalid":
        return
    if response.status_code == 422:
        errors = {(error["pointer"], error["code"]) for error in response.json()["errors"]}
        if errors <= (UNSAID | MERGED if case.method == "PATCH" else UNSAID):
            return
    positive_data_acceptance(ctx, response, case)
