"""binance-sdk-spot, Binance's own: REST, WebSocket API and streams; trading with an HMAC key by
REST, and with an Ed25519 key on a session that is logged on."""

import asyncio

from binance_common.errors import BadRequestError
from binance_sdk_spot.spot import ConfigurationRestAPI, ConfigurationWebSocketAPI, Spot
from binance_sdk_spot.spot import ConfigurationWebSocketStreams
from Crypto.PublicKey import ECC

from steps import *

MARKET = "binance"


def body(answer):
    """The model as plain values, by the names on the wire."""
    data = answer.data() if callable(answer.data) else answer.data
    data = getattr(data, "actual_instance", None) or data
    if isinstance(data, list):
        return [row.to_dict() for row in data]
    return data if isinstance(data, dict) else data.to_dict()


def symbols():
    rows = body(rest.exchange_info(symbol="SOLUSDT"))["symbols"]
    need([row["symbol"] for row in rows] == ["SOLUSDT"], f"got {len(rows)} symbols")
    need(rows[0]["status"] == "TRADING", str(rows[0])[:100])
    need(len(body(rest.exchange_info())["symbols"]) >= 3, "all are few")


def book():
    got = body(rest.depth(symbol="SOLUSDT", limit=20))
    sides("SOL", got["bids"], got["asks"])


def trades():
    for got in (body(rest.get_trades(symbol="SOLUSDT")),):
        traded(got)
        for trade in got:
            price("SOL", trade["price"])
    got = body(rest.agg_trades(symbol="SOLUSDT"))
    need(got, "no aggregate trades")
    for trade in got:
        price("SOL", trade["p"])


def ticker():
    for field, call in {
        "lastPrice": rest.ticker24hr, "price": rest.ticker_price, "bidPrice": rest.ticker_book_ticker,
    }.items():
        row = body(call(symbol="SOLUSDT"))
        row = row.get("actual_instance", row) if isinstance(row, dict) else row
        need(isinstance(row, dict), f"{call.__name__}: one symbol answered with a list")
        need(row["symbol"] == "SOLUSDT", f"got {row['symbol']}")
        price("SOL", row[field], field)


async def api():
    """The WebSocket API; its request ids are UUIDs with hyphens."""
    connection = await made().websocket_api.create_connection()
    try:
        got = body(await connection.time())
        need("result" in got, f"time: {got}")
        clock(got["result"]["serverTime"])
        got = body(await connection.depth(symbol="SOLUSDT", limit=20))
        need("result" in got, f"depth: {got}")
        sides("SOL", got["result"]["bids"], got["result"]["asks"])
    finally:
        await connection.close_connection(close_session=True)


async def stream(name, find, s=STEP_S, **params):
    got = asyncio.Queue()
    connection = await made().websocket_streams.create_connection()
    try:
        handle = await getattr(connection, name)(**params)
        handle.on("message", got.put_nowait)

        async def first():
            while not find((await got.get()).to_dict()):
                pass
        await asyncio.wait_for(first(), s)
    finally:
        await connection.close_connection(close_session=True)


async def watch_trades():
    for name in ("trade", "agg_trade"):
        def find(trade):
            need(trade["s"] == "ETHUSDT", str(trade))
            price("ETH", trade["p"])
            return True
        try:
            await stream(name, find, symbol="ethusdt")
        except asyncio.TimeoutError:
            raise Wrong(f"{name}: nothing within {STEP_S} s") from None


async def watch_ticker():
    def find(row):
        need(row["s"] == "SOLUSDT", str(row))
        for field in ("c", "b", "a"):
            price("SOL", row[field], field)
        return True
    await stream("ticker", find, symbol="solusdt")


async def watch_book():
    """The SDK keeps no book: the best five come whole ten times a second."""
    followed = Followed(MARKET)

    def find(message):
        followed.add(message["bids"], message["asks"], message["lastUpdateId"])
    following = asyncio.create_task(stream(
        "partial_book_depth", find, 60, symbol="btcusdt", levels="5", update_speed="100ms"))
    watching = asyncio.create_task(asyncio.to_thread(followed.watch))
    await asyncio.wait([watching, following], return_when=asyncio.FIRST_COMPLETED)
    followed.ended.set()
    if following.done():
        await following
    following.cancel()
    await watching
    return followed.judge()


def made():
    """A client; its streams each take their own."""
    return Spot(config_rest_api=ConfigurationRestAPI(retries=0, timeout=10_000),
                config_ws_api=ConfigurationWebSocketAPI(),
                config_ws_streams=ConfigurationWebSocketStreams())


rest = made().rest_api
step(MARKET, "markets", symbols)
step(MARKET, "time", lambda: clock(body(rest.time())["serverTime"]))
step(MARKET, "book", book)
step(MARKET, "trades", trades)
step(MARKET, "ticker", ticker)
step(MARKET, "tickers", lambda: need(len(body(rest.ticker24hr())) >= 3, "all are few"))
step(MARKET, "api", within(api))
step(MARKET, "~book", within(watch_book))
step(MARKET, "~trades", within(watch_trades))
step(MARKET, "~ticker", within(watch_ticker))


KEY = "foreign-binance-sdk"
LIMIT = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "time_in_force": "GTC",
         "quantity": 0.01, "price": float(FAR)}
BTC = {"symbol": "BTCUSDT"}


def refused(code, call, **params):
    try:
        got = call(**params)
    except BadRequestError as error:
        return need(str(code) in str(vars(error)) + str(error), f"refused with {error}, not {code}")
    raise Wrong(f"not refused: {str(body(got))[:200]}")


class Trading:
    """One account; each step goes on where the one before it ended."""

    def __init__(self):
        self.rest = Spot(config_rest_api=ConfigurationRestAPI(
            api_key=KEY, api_secret=secret(KEY), retries=0, timeout=10_000)).rest_api

    def place(self):
        got = body(self.rest.new_order(**LIMIT, new_client_order_id="sdk-1"))
        self.id = order(got, "sdk-1", "NEW")
        refused(-2010, self.rest.new_order, **LIMIT, new_client_order_id="sdk-1")
        refused(-1013, self.rest.new_order, **LIMIT | {"price": 50000.001})
        self.rest.order_test(**LIMIT)

    def open(self):
        rows = body(self.rest.get_open_orders(**BTC))
        need([row["orderId"] for row in rows] == [self.id], str(rows)[:200])
        order(body(self.rest.get_order(**BTC, order_id=self.id)), "sdk-1", "NEW")
        order(body(self.rest.get_order(**BTC, orig_client_order_id="sdk-1")), "sdk-1", "NEW")
        need(len(body(self.rest.all_orders(**BTC))) == 1, "more orders than one")

    def amend(self):
        got = body(self.rest.order_amend_keep_priority(
            **BTC, order_id=self.id, new_qty=0.005, new_client_order_id="sdk-2"))["amendedOrder"]
        need((got["orderId"], float(got["qty"])) == (self.id, 0.005), str(got)[:200])
        need((got["origClientOrderId"], got["clientOrderId"]) == ("sdk-1", "sdk-2"), str(got)[:200])
        got = body(self.rest.order_cancel_replace(
            **LIMIT, cancel_replace_mode="STOP_ON_FAILURE", cancel_order_id=self.id,
            new_client_order_id="sdk-3"))
        order(got["cancelResponse"], "sdk-2", "CANCELED")
        self.id = order(got["newOrderResponse"], "sdk-3", "NEW")

    def cancel(self):
        got = body(self.rest.delete_order(**BTC, order_id=self.id))
        order(got, "sdk-3", "CANCELED")
        order(body(self.rest.get_order(**BTC, order_id=self.id)), "sdk-3", "CANCELED")
        refused(-2011, self.rest.delete_order, **BTC, order_id=self.id)
        refused(-2013, self.rest.get_order, **BTC, orig_client_order_id="nobody")

    def fills(self):
        bought = body(self.rest.new_order(**BTC, side="BUY", type="MARKET", quantity=0.01))
        sold = body(self.rest.new_order(**BTC, side="SELL", type="MARKET", quantity=0.002))
        ids = filled(bought, "BUY", 0.01), filled(sold, "SELL", 0.002)
        rows = body(self.rest.my_trades(**BTC))
        own(rows, ids[0], 0.01, True)
        own(rows, ids[1], 0.002, False)

    def funds(self):
        before = body(self.rest.get_account(omit_zero_balances=True))["balances"]
        self.rest.new_order(**BTC, side="BUY", type="MARKET", quantity=0.01)
        after = body(self.rest.get_account())["balances"]
        got = free(after, "BTC") - free(before, "BTC")
        need(abs(got - 0.00999) < 1e-7, f"bought 0.01, got {got}")
        counts = body(self.rest.rate_limit_order())
        need([row["interval"] for row in counts] == ["SECOND", "DAY"], str(counts)[:200])

    async def ws(self, work):
        """A session that is logged on; its API key is the public key."""
        pair = ECC.generate(curve="ed25519")
        config = ConfigurationWebSocketAPI(
            api_key=pair.public_key().export_key(format="raw").hex(),
            private_key=pair.export_key(format="PEM"))
        connection = await Spot(config_ws_api=config).websocket_api.create_connection()
        try:
            got = result(await connection.session_logon())
            got = got[0] if isinstance(got, list) else got
            await work(connection)
        finally:
            await connection.close_connection(close_session=True)

    async def ws_orders(self, ws):
        placed = result(await ws.order_place(**LIMIT, new_client_order_id="sdk-4"))
        id = order(placed, "sdk-4", "NEW")
        order(result(await ws.order_status(**BTC, order_id=id)), "sdk-4", "NEW")
        need(len(result(await ws.open_orders_status(**BTC))) == 1, "more open orders than one")
        got = result(await ws.order_amend_keep_priority(**BTC, order_id=id, new_qty=0.005))
        need(float(got["amendedOrder"]["qty"]) == 0.005, str(got)[:200])
        got = result(await ws.order_cancel(**BTC, order_id=id))
        need((got["orderId"], got["status"]) == (id, "CANCELED"), str(got)[:200])
        bought = result(await ws.order_place(**BTC, side="BUY", type="MARKET", quantity=0.01))
        own(result(await ws.my_trades(**BTC)), filled(bought, "BUY", 0.01), 0.01, True)

    async def ws_funds(self, ws):
        need(free(result(await ws.account_status())["balances"], "BTC") > 0, "no BTC")

    async def events(self, ws):
        told = Told()
        subscribed = await ws.user_data_stream_subscribe()
        subscribed.stream.on("message", lambda event: told.add(plain(event)))
        await ws.order_place(**LIMIT, new_client_order_id="sdk-5")
        await ws.order_cancel(**BTC, orig_client_order_id="sdk-5")
        await ws.order_place(
            **BTC, side="BUY", type="MARKET", quantity=0.01, new_client_order_id="sdk-6")
        until = time.monotonic() + STEP_S
        while not told.whole("sdk-5", "sdk-6"):
            need(time.monotonic() < until, f"told only {told.changes}")
            await asyncio.sleep(0.05)

    def run(self):
        for name, call in {
            "place": self.place, "open": self.open, "amend": self.amend, "cancel": self.cancel,
            "fills": self.fills, "funds": self.funds,
            "~orders": within(lambda: self.ws(self.ws_orders)),
            "~funds": within(lambda: self.ws(self.ws_funds)),
            "~events": within(lambda: self.ws(self.events)),
        }.items():
            step(MARKET, name, call)


def result(answer):
    """What a request over the WebSocket API was answered with."""
    got = body(answer)
    need("result" in got, str(got)[:300])
    return got["result"]


def plain(event):
    """An event of the user data stream; of its kind only the model's class is left."""
    event = getattr(event, "actual_instance", None) or event
    name = type(event).__name__
    return {"e": name[0].lower() + name[1:], **event.to_dict()}


Trading().run()
