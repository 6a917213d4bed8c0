"""Which column names speak of a person.  Places have names too, so `name` alone is asked of its table."""

import re
from itertools import pairwise

_WORDS = """
    caller callers reporter complainant victim victims suspect suspects offender offenders witness person persons people
    driver passenger patient tenant surname forename firstname lastname fullname nickname gender sex age birth birthday
    birthdate dob ethnicity race nationality religion occupation phone phones telephone tel mobile cellphone email
    wechat imei imsi passport ssn idcard plate plates licence license face narrative statement contact signature
"""
_PAIRS = {("id", "number"), ("id", "card"), ("first", "name"), ("last", "name"), ("full", "name"), ("home", "address")}
_SIGNS = """
    姓名 名字 电话 手机 身份证 证件号 护照 车牌 号牌 报警人 报案人 受害人 被害人 事主 嫌疑人 当事人 联系人 驾驶人 证人
    性别 年龄 民族 出生 户籍 住址 职业 微信 案情 笔录 人像 人脸
"""


def person_like(column: str) -> str | None:
    """Give the part of a column's name that speaks of a person, or None."""
    for sign in _SIGNS.split():
        if sign in column:
            return sign
    words = re.findall(r"[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", column).lower())
    for word in words:
        if word in _WORDS.split():
            return word
    for pair in pairwise(words):
        if pair in _PAIRS:
            return " ".join(pair)
    return None
