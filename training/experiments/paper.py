"""What the paper reports (arXiv 2105.04826), as far as our notes hold it: averages, a few recalls, and counts.

Its averages are sometimes micro, sometimes macro, sometimes neither; each says here which it is. Single cells that
are not here were not copied, and are not made up.
"""

from __future__ import annotations

MICRO, MACRO = "micro (accuracy)", "macro (mean recall)"

TABLE_1 = {"ARM, training": {MACRO: "99.9, truncated (class mean 99.99)"}}
TABLE_2 = {"ARM, RAF-DB test": {MICRO: "90.1", MACRO: "82.4, recomputed"}}
# 11 of 51 is the only count that fits: two of its classes are empty and were scored 1.0.
TABLE_3 = {
    "ARM on TW58": {
        "faces": "51 of 58",
        MICRO: "21.6 (11 of 51)",
        MACRO: "37.9, with two empty classes as 100",
        "happiness": "10 of 17",
        "anger": "1 of 15",
        "sadness": "“100”, of none",
        "disgust": "“100”, of none",
    }
}
TABLE_4 = {
    "ResNet-18": {MACRO: "89.6, reported as 90", "fear": "44"},
    "ARM": {MACRO: "99.97, reported as 99.9"},
}
TABLE_5 = {
    "ResNet-18": {MACRO: "45.6, reported as 44"},
    "ARM": {MACRO: "72.9, reported as 68.5"},
}
TABLE_6 = {
    "ResNet-18": {MACRO: "46.9, reported as 46"},
    "ARM-1": {MACRO: "71.4, reported as 70.7"},
    "ARM-2": {MACRO: "78.1, reported as 77.6", "disgust": "95.9", "anger": "95", "neutral": "94.5", "surprise": "94"},
}
TABLE_7 = {
    "real": {MACRO: "80.29", "neutral": "77"},
    "GANimation": {MACRO: "78.43", "neutral": "77"},
}
IMAGES, PER_CLASS = 18_690, 2_670

# posture → (expression, or "" where our notes do not name it; hits; figures)
POSTURES = {
    "kneeling": (("disgust", 7, 18), ("sadness", 6, 18)),
    "general": (("", 17, 25), ("", 4, 25)),
    "standing": (("surprise", 6, 17), ("neutral", 5, 17)),
    "cavalry": (("", 5, 6),),
    "civil": (("fear", 5, 19), ("anger", 5, 19), ("neutral", 4, 19)),
}
SIMILARITY = {"statues": 0.54, "people": 0.28}
AMERICAN = ("sadness", "fear", "anger")
