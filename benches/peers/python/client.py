"""asyncio and websockets, as the exchanges' own examples have it: a book of two dictionaries for
each pair. No sequence, no snapshot, no limit.

client.py ADDR CA PAIRS LOGON
"""

import asyncio
import json
import ssl
import sys
import time

import websockets

ORDER = {
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "IOC",
    "quantity": "100",
    "newOrderRespType": "ACK",
}


async def answers(orders):
    async for text in orders:
        if '"error":' in text:
            sys.exit(text)


async def main(addr, ca, pairs, logon):
    context = ssl.create_default_context(cafile=ca)
    streams = "/".join(pair.lower() + "@depth@100ms" for pair in pairs.split(","))
    base = f"wss://{addr}"
    async with (
        websockets.connect(base + "/ws-api/v3?returnRateLimits=false", ssl=context) as orders,
        websockets.connect(base + "/stream?streams=" + streams, ssl=context) as market,
    ):
        with open(logon) as file:
            await orders.send(file.read())
        reader = asyncio.create_task(answers(orders))
        books, sent = {}, 0
        async for text in market:
            update = json.loads(text).get("data")
            if update is None:
                continue
            book = books.setdefault(update["s"], ({}, {}))
            for side, levels in zip(book, (update["b"], update["a"])):
                for px, qty in levels:
                    if float(qty) == 0:
                        side.pop(px, None)
                    else:
                        side[px] = float(qty)
            if update["b"] and update["a"] and float(update["b"][0][1]) == 777:
                sent += 1
                params = ORDER | {
                    "symbol": update["s"],
                    "price": update["a"][0][0],
                    "newClientOrderId": f"p{sent}",
                    "timestamp": int(time.time() * 1000),
                }
                request = {"id": sent, "method": "order.place", "params": params}
                await orders.send(json.dumps(request))
        reader.cancel()


asyncio.run(main(*sys.argv[1:]))
