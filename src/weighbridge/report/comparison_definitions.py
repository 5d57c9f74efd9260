"""The terms of a comparison's page, each with its definition in a sentence or two."""

DEFINITIONS = {
    "requests/s (QPS)": "Requests that ended well within the window, by its length. A turn of a "
    "conversation is a request. The window reaches from the start of the first measured conversation to "
    "that of the first cool-down one, so that no start and no end of a run is in it.",
    "TTFT": "From sending a request, or from its due time in an open loop, to the first piece of content "
    "that is not empty.",
    "E2E": "From sending, or from the due time, to the end of the response.",
    "TPOT": "Time from the first content to the last, by the output tokens after the first; one value a "
    "request.",
    "goodput": "Requests/s that started in the window, ended well and met every objective.",
    "speed-up": "Geometric mean over blocks of B by A, of requests/s or of goodput; of a latency, A by B. "
    "Above 1 B is better. Its interval is of 95 %, by a paired t statistic.",
    "block": "One run of each system with the same bytes, side by side in time. Blocks are the evidence: "
    "requests of one run are not independent of each other.",
    "faster, slower": "The difference is real with an error rate of 5 % over all rows together (Holm), "
    "and not within the margin.",
    "same": "Two one-sided tests of 5 % show that the difference is within the margin.",
    "inconclusive": "Neither. More blocks would decide; the number is an estimate from the spread so far.",
    "not comparable": "A check failed, so that the systems did not do the same work under the same "
    "conditions; no speed-up is given.",
    "noise floor": "The baseline beside a second copy of itself, measured like any other system: what "
    "this setup reads where there is no difference.",
    "reuse": "Share of the prompt tokens that came from a prefix cache, as the server reports it.",
    "capacity, knee": "The largest mean of requests/s over closed loops, and the smallest load that "
    "reaches 95 % of it.",
    "capacity within objectives": "The largest offered rate of which 99 % of the requests meet every "
    "objective, interpolated between loads.",
    "points": "Percentage points of accuracy, the share of questions that are answered right. Differences "
    "are paired: only questions count that one system answered right and the other wrong.",
    "closed-32, poisson-4": "32 conversations at a time, the next one starting when one ends; or 4 "
    "conversations/s that arrive at random, however fast the system is.",
}
