"""The checkout of the official client, as a round accepts it."""

from weighbridge.artifacts.checked_out import CheckedOut, proven_checkout
from weighbridge.artifacts.proof import Proof
from weighbridge.config.round import Round
from weighbridge.core.errors import InputError


def checkout_of_round(client: Proof, round_: Round) -> CheckedOut:
    """Return the client's checkout as it is now; that a file differs from the commit is no error here.

    Raises:
        InputError: the commit is none of the round's, or the folder is no checkout of it.
        SetupError: git is missing, or the repository is damaged.
    """
    revision, commits = client.revision, round_.endpoints_rules.commits
    if revision is None or revision not in commits:
        raise InputError(
            f"{client.folder}: the client is of commit {revision}, but round {round_.name} accepts "
            f"{' or '.join(commits)}; set artifacts.client.revision to that."
        )
    return proven_checkout(client.folder, revision)
