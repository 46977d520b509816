#!/usr/bin/env python3
"""Reads decisions.jsonl and summary.json of a run back, and checks that they add up.

    scripts/decisions.py RUN

Prints one line per strategy and instrument. Exit code 1 with the reasons if something does not add
up. docs/decisions.md has the fields.
"""

import collections
import decimal
import json
import pathlib
import sys

ROAD = ["kernel", "call", "read", "frame", "decoded", "book", "popped", "decided", "admitted",
        "sent"]
EVERY = {"time", "time_ns", "kind", "exchange", "instrument", "symbol", "strategy", "order",
         "intent", "side", "px", "qty", "type", "tag", "signal", "picture", "risk"}
ORDER = EVERY | {"origin", "replaces", "arrived", "arrived_ns", "stamps", "events",
                 "events_left_out", "fills", "filled", "end", "lost"}
REFUSED = EVERY | {"gate", "nth", "unit", "limit", "found"}
ENDS = {"filled", "cancelled", "expired", "rejected", "not_sent", "unknown"}

wrong = []


def check(holds, what):
    if not holds:
        wrong.append(what)


def check_order(line):
    name = f"order {line['order']}"
    check(set(line) == ORDER, f"{name}: fields {sorted(set(line) ^ ORDER)}")
    check(line["end"] in ENDS, f"{name}: end {line['end']}")
    fills = [event for event in line["events"] if event["what"] == "fill"]
    ends = [event["what"] for event in line["events"] if event["what"] in ENDS]
    if line["events_left_out"] == 0 and line["lost"] == 0:
        check(ends == [line["end"]], f"{name}: ends {ends}")
        check(len(fills) == line["fills"], f"{name}: {len(fills)} fills")
        filled = sum((decimal.Decimal(fill["qty"]) for fill in fills), decimal.Decimal(0))
        check(filled == decimal.Decimal(line["filled"]), f"{name}: {filled} filled")
        trades = [fill["trade_id"] for fill in fills]
        check(len(set(trades)) == len(trades), f"{name}: a trade told twice")
    stamps = line["stamps"]
    if line["origin"] == "this_run":
        check(line["risk"] == "admitted", f"{name}: risk")
        check(line["signal"] is not None, f"{name}: no signal")
        check(line["picture"] is not None, f"{name}: no picture")
        check(stamps is not None or line["lost"] > 0, f"{name}: no stamps")
    if stamps is not None:
        road = [stamps[f"{point}_ns"] for point in ROAD]
        road = [at for at in road if at is not None]
        check(road and road[0] == 0, f"{name}: the road begins at {road[:1]}")
        check(road == sorted(road), f"{name}: stamps {road}")
        for later in ("wired_ns", "acked_ns"):
            if stamps[later] is not None:
                check(stamps["sent_ns"] <= stamps[later], f"{name}: {later} before it was sent")


def main(run):
    summary = json.loads((run / "summary.json").read_text())
    text = (run / "decisions.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    check(text == "" or text.endswith("\n"), "the last line is not whole")
    check(summary["ended"], "the run did not end")

    orders, examples, numbers = collections.Counter(), {}, set()
    for line in lines:
        whose = (line["strategy"], line["instrument"])
        if line["kind"] == "order":
            check_order(line)
            check(line["order"] not in numbers, f"order {line['order']} has two lines")
            numbers.add(line["order"])
            orders[whose] += line["origin"] == "this_run"
        else:
            check(set(line) == REFUSED, f"refused: fields {sorted(set(line) ^ REFUSED)}")
            key = (*whose, line["gate"])
            check(examples.get(key, 0) < line["nth"], f"{key}: {line['nth']} again")
            examples[key] = line["nth"]

    for strategy in summary["strategies"]:
        for judged in strategy["judged"]:
            whose = (strategy["name"], judged["name"])
            held = sum(judged["refused"].values())
            total = judged["orders"] + judged["changes"] + held
            check(judged["intents"] == total, f"{whose}: {judged['intents']} intents, {total}")
            check(orders[whose] == judged["orders"], f"{whose}: {orders[whose]} lines of orders")
            print(f"{whose[0]} {whose[1] or 'none'}: {judged['intents']} intents = "
                  f"{judged['orders']} orders + {judged['changes']} changes + {held} held back "
                  f"{judged['refused']}")
            for gate, count in judged["refused"].items():
                seen = examples.pop((*whose, gate), 0)
                check(seen <= count, f"{whose}: example {seen} of {count} at {gate}")
        of = [judged for judged in strategy["judged"]]
        check(sum(judged["intents"] for judged in of) == strategy["intents"],
              f"{strategy['name']}: intents of instruments do not add up")
        gates = collections.Counter()
        for judged in of:
            gates.update(judged["refused"])
        check(dict(gates) == strategy["orders"]["refused"],
              f"{strategy['name']}: gates of instruments do not add up")
    check(not examples, f"examples of gates that held nothing back: {sorted(examples)}")
    ends = collections.Counter(line["end"] for line in lines if line["kind"] == "order")
    doubts = sum(any(event["what"] == "in_doubt" for event in line["events"])
                 for line in lines if line["kind"] == "order")
    print(f"{sum(ends.values())} orders: {dict(sorted(ends.items()))}, {doubts} in doubt for a "
          f"time; {sum(line['kind'] == 'refused' for line in lines)} examples")
    for what in wrong:
        print(what, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(pathlib.Path(sys.argv[1])))
