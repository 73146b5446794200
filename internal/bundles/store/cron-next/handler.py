"""Says when a cron expression fires next: five fields (minute, hour, day, month, weekday) or @hourly and the like, in UTC."""

import datetime

NAMES = {
    "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}
FIELDS = [("minute", 0, 59, ()), ("hour", 0, 23, ()), ("day", 1, 31, ()),
          ("month", 1, 12, ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")),
          ("weekday", 0, 7, ("sun", "mon", "tue", "wed", "thu", "fri", "sat"))]
HORIZON = 366 * 8  # days; the 29th of February comes within


def number(word, field):
    name, low, high, words = field
    value = words.index(word) + low if word in words else int(word)
    if not low <= value <= high:
        raise ValueError("%s %d is not between %d and %d" % (name, value, low, high))
    return value


def parse_field(text, field):
    name, low, high, _ = field
    out = set()
    for part in text.lower().split(","):
        span, _, step = part.partition("/")
        first, dash, last = span.partition("-")
        if span == "*":
            begin, end = low, high
        else:
            begin = number(first, field)
            end = number(last, field) if dash else (high if step else begin)
        if end < begin or step and int(step) < 1:
            raise ValueError("%s: %s is empty" % (name, part))
        out |= set(range(begin, end + 1, int(step or 1)))
    return {0 if name == "weekday" and v == 7 else v for v in out}


def upcoming(expression, now):
    parts = NAMES.get(expression, expression).split()
    if len(parts) != 5:
        raise ValueError("five fields are needed, or one of " + ", ".join(NAMES))
    minutes, hours, days, months, weekdays = (parse_field(p, f) for p, f in zip(parts, FIELDS))
    both = parts[2] != "*" and parts[4] != "*"  # then either day will do
    start = (now + datetime.timedelta(minutes=1)).replace(second=0, microsecond=0)
    for offset in range(HORIZON):
        day = start.date() + datetime.timedelta(days=offset)
        by_date, by_week = day.day in days, day.isoweekday() % 7 in weekdays
        if day.month not in months or not (by_date or by_week if both else by_date and by_week):
            continue
        for hour in sorted(hours):
            for minute in sorted(minutes):
                at = datetime.datetime.combine(day, datetime.time(hour, minute), datetime.timezone.utc)
                if at >= start:
                    yield at


def handle(event, context):
    expression = event.text.strip() or event.query.get("cron", "")
    now = datetime.datetime.now(datetime.timezone.utc)
    try:
        if "from" in event.query:
            now = datetime.datetime.fromisoformat(event.query["from"].replace("Z", "+00:00"))
        count = min(max(int(event.query.get("n", "5")), 1), 100)
        times = [at.strftime("%Y-%m-%dT%H:%M:%SZ") for _, at in zip(range(count), upcoming(expression, now))]
    except (ValueError, TypeError) as error:
        return 400, {}, "cannot read it: %s\n" % error
    return "\n".join(times or ["never"]) + "\n"
