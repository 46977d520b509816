// ccxt (JavaScript): its unified calls at every market, all markets at once, and its trading. As
// ccxt_steps.py, which says why; the books are compared with snapshots in the same way.
'use strict';
const crypto = require('crypto');
const https = require('https');
const { pro: ccxt, InvalidOrder, InsufficientFunds, OrderNotFound } = require('ccxt');

const STARTS = { BTC: 64250, ETH: 3120, SOL: 148 }; // What the simulator's prices start at.
const STEP_S = 12;
const BOOK_S = 60;
const FOLLOWED_S = Number(process.env.TICKWIRE_FOLLOWED_S || 10);
const LEVELS = 5;
const TRIES = 5;
const BOOKS = require('../books.json');

// Our name: ccxt's class, a symbol after its asset, and what else it is made with.
const KEYS = { apiKey: 'none', secret: 'bm9uZQ==', password: 'none' }; // It wants some for a book.
const MARKETS = {
    'binance': ['binance', '/USDT', {}],
    'binance-us': ['binanceus', '/USDT', {}],
    'binance-usdm': ['binanceusdm', '/USDT:USDT', {}],
    'binance-coinm': ['binancecoinm', '/USD:BASE', {}],
    'bitstamp': ['bitstamp', '/USD', {}],
    'bybit': ['bybit', '/USDT', {}],
    'bybit-linear': ['bybit', '/USDT:USDT', {}],
    'coinbase': ['coinbase', '/USD', {}],
    'coinbase-exchange': ['coinbaseexchange', '/USD', KEYS],
    'deribit': ['deribit', '/USD:BASE', {}],
    'hyperliquid': ['hyperliquid', '/USDC:USDC', {}],
    'kraken': ['kraken', '/USD', {}],
    'kraken-futures': ['krakenfutures', '/USD:USD', {}],
    'okx': ['okx', '/USDT', {}],
};

class Wrong extends Error {}
/** The simulated exchange has just begun: nothing of the kind has happened yet. */
class Early extends Wrong {}
class NotOffered extends Error {}

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

function need(what, why) {
    if (!what) throw new Wrong(why);
}

function say(market, step, result, why = '') {
    why = String(why).split(/\s+/).join(' ').slice(0, 400);
    process.stdout.write(JSON.stringify({ market, step, result, why }) + '\n');
}

async function step(market, name, call) {
    let timer;
    const late = new Promise((_, reject) => {
        const s = name === '~book' ? BOOK_S : STEP_S;
        timer = setTimeout(() => reject(new Wrong(`nothing within ${s} s`)), s * 1000);
    });
    const again = async () => {
        for (;;) {
            try {
                return await call();
            } catch (error) {
                if (!(error instanceof Early)) throw error;
                await sleep(500);
            }
        }
    };
    try {
        say(market, name, 'ok', await Promise.race([again(), late]) || '');
    } catch (error) {
        const mild = error instanceof Wrong || error instanceof NotOffered;
        const why = mild ? error.message : `${error.constructor.name}: ${error.message}`;
        say(market, name, error instanceof NotOffered ? '-' : 'FAIL', why);
    } finally {
        clearTimeout(timer);
    }
}

function price(base, value, what = 'price') {
    need(value !== undefined && value !== null, `no ${what}`);
    const start = STARTS[base];
    need(0.8 * start < value && value < 1.25 * start, `${what} ${value} is not one of ${base}`);
}

function sides(base, bids, asks) {
    need(bids.length >= LEVELS && asks.length >= LEVELS, `${bids.length} bids, ${asks.length} asks`);
    price(base, Number(bids[0][0]), 'bid');
    price(base, Number(asks[0][0]), 'ask');
    need(Number(bids[0][0]) < Number(asks[0][0]), `bid ${bids[0][0]} is not below ask ${asks[0][0]}`);
}

const best = (bids, asks) => JSON.stringify([bids, asks].map(
    (side) => side.slice(0, LEVELS).map((level) => [Number(level[0]), Number(level[1])])));

/** Every state of a client's book, and the outside snapshots that must be among them. */
class Followed {
    constructor(market) {
        this.market = market;
        this.states = new Set();
        this.numbers = new Set();
        this.snapshots = [];
        this.wrong = null;
        this.updated = () => {};
    }

    add(bids, asks, number) {
        try {
            sides('BTC', bids, asks);
        } catch (wrong) {
            this.wrong = this.wrong || wrong;
        }
        this.states.add(best(bids, asks));
        if (number) this.numbers.add(number);
        this.updated();
    }

    outside() {
        const { url, body, bids, asks, number, level: [px, qty] = [0, 1] } = BOOKS[this.market];
        const walk = (answer, path) => path.split('.').reduce(
            (value, key) => (key === '*' ? Object.values(value)[0] : value[key]), answer);
        const levels = (answer, path) => walk(answer, path).map(
            (level) => [Number(level[px]), Number(level[qty])]);
        return new Promise((done, reject) => {
            // From an address of its own: the client's request limits are the client's.
            const options = { method: body ? 'POST' : 'GET', localAddress: '127.0.0.2', agent: false,
                headers: { 'Content-Type': 'application/json' } };
            const request = https.request(url, options, (reply) => {
                let text = '';
                reply.on('data', (part) => { text += part; });
                reply.on('end', () => {
                    try {
                        need(reply.statusCode === 200, `the outside book: ${reply.statusCode}`);
                        const answer = JSON.parse(text);
                        done([best(levels(answer, bids).sort((x, y) => y[0] - x[0]),
                            levels(answer, asks).sort((x, y) => x[0] - y[0])),
                        number && Number(walk(answer, number))]);
                    } catch (error) {
                        reject(error);
                    }
                });
            });
            request.on('error', reject);
            request.end(body);
        });
    }

    async watch() {
        for (let waited = 0; !this.states.size && waited < STEP_S; waited += 0.05) await sleep(50);
        need(this.states.size, `no book within ${STEP_S} s`);
        for (const until = Date.now() + FOLLOWED_S * 1000; Date.now() < until; await sleep(500)) {
            let snapshot;
            for (let tries = 0; tries < TRIES; tries += 1) {
                // Right after an update it is the likeliest that both show the same moment.
                await new Promise((updated) => { this.updated = updated; });
                snapshot = await this.outside();
                await sleep(300); // What it shows may still be under way to the client.
                if (this.has(snapshot)) break;
            }
            this.snapshots.push(snapshot);
        }
    }

    has([snapshot, number]) {
        const numbers = [...this.numbers];
        return this.states.has(snapshot) || (number > Math.min(...numbers)
            && number < Math.max(...numbers) && !this.numbers.has(number));
    }

    judge() {
        if (this.wrong) throw this.wrong;
        const count = this.snapshots.length;
        const missing = this.snapshots.map((snapshot, n) => [this.has(snapshot), n + 1])
            .filter(([found]) => !found).map(([, n]) => n);
        need(count, 'no outside snapshot');
        need(!missing.length, `of ${count} outside snapshots number [${missing}] are not among its ` +
            `${this.states.size} books`);
        return `${count} outside snapshots found among ${this.states.size} books`;
    }
}

// What has no bid and ask, as documented: as in steps.py.
const FUTURES = ['ticker', 'tickers', '~ticker'];
const UNQUOTED = {
    'binance': ['~ticker'], 'binance-us': ['~ticker'], 'binance-usdm': FUTURES,
    'binance-coinm': FUTURES, 'bybit': ['~ticker'], 'coinbase': ['tickers'],
    'coinbase-exchange': ['tickers'],
};

function ticker(market, step, asked, base, got) {
    need(got.symbol === asked, `asked for ${asked}, got ${got.symbol}`);
    price(base, got.last, 'last');
    if ((UNQUOTED[market] || []).includes(step)) return;
    price(base, got.bid, 'bid');
    price(base, got.ask, 'ask');
    need(got.bid < got.ask, `bid ${got.bid} is not below ask ${got.ask}`);
}

function trades(asked, base, got) {
    if (!got.length) throw new Early('no trades');
    for (const trade of got) {
        need(trade.symbol === asked, `asked for ${asked}, got ${trade.symbol}`);
        need(['buy', 'sell'].includes(trade.side), `side ${trade.side}`);
        need(trade.amount > 0, `amount ${trade.amount}`);
        price(base, trade.price);
    }
}

async function run(market) {
    const [name, symbols, more] = MARKETS[market];
    const client = new ccxt[name]({ timeout: 10000, ...more });
    const symbol = (base) => base + symbols.replace('BASE', base);
    const offered = (call) => {
        if (!client.has[call]) throw new NotOffered(`has.${call} is ${client.has[call]}`);
    };
    const steps = {
        'markets': async () => {
            const markets = await client.loadMarkets();
            for (const base of Object.keys(STARTS)) {
                const listed = markets[symbol(base)];
                need(listed, `${symbol(base)} is not among ${Object.keys(markets).length} markets`);
                need(listed.active !== false, `${symbol(base)} is not active`);
                need(listed.precision.price && listed.precision.amount, 'no tick or no lot');
            }
        },
        'time': async () => {
            offered('fetchTime');
            const off = await client.fetchTime() - Date.now();
            need(Math.abs(off) < 5000, `the server's time is ${off} ms off`);
        },
        'book': async () => {
            const got = await client.fetchOrderBook(symbol('SOL'));
            need(got.symbol === symbol('SOL'), `got ${got.symbol}`);
            sides('SOL', got.bids, got.asks);
        },
        'trades': async () => {
            offered('fetchTrades');
            trades(symbol('SOL'), 'SOL', await client.fetchTrades(symbol('SOL')));
        },
        'ticker': async () => {
            offered('fetchTicker');
            const got = await client.fetchTicker(symbol('SOL'));
            ticker(market, 'ticker', symbol('SOL'), 'SOL', got);
        },
        'tickers': async () => {
            offered('fetchTickers');
            const asked = market === 'deribit' ? ['SOL'] : ['SOL', 'BTC']; // One currency per call.
            const got = await client.fetchTickers(asked.map(symbol));
            need(Object.keys(got).length === asked.length, `got ${Object.keys(got).slice(0, 5)}`);
            for (const base of asked) {
                ticker(market, 'tickers', symbol(base), base, got[symbol(base)]);
            }
        },
        '~book': async () => {
            offered('watchOrderBook');
            const followed = new Followed(market);
            // ccxt tells each update's book to its waiting callers: listen beside them.
            const clientOf = client.client.bind(client);
            client.client = (url) => {
                const socket = clientOf(url);
                if (!socket.observed) {
                    socket.observed = true;
                    const resolve = socket.resolve.bind(socket);
                    socket.resolve = (result, hash) => {
                        if (result && result.bids && result.asks && result.symbol === symbol('BTC')) {
                            followed.add(result.bids, result.asks, result.nonce || result.timestamp);
                        }
                        return resolve(result, hash);
                    };
                }
                return socket;
            };
            let over = false;
            const following = (async () => {
                while (!over) await client.watchOrderBook(symbol('BTC'));
            })();
            following.catch(() => {});
            const failing = new Promise((_, reject) => following.catch(reject));
            try {
                await Promise.race([followed.watch(), failing]);
            } finally {
                over = true;
                client.client = clientOf;
            }
            return followed.judge();
        },
        '~trades': async () => {
            offered('watchTrades');
            trades(symbol('ETH'), 'ETH', await client.watchTrades(symbol('ETH')));
        },
        '~ticker': async () => {
            offered('watchTicker');
            const got = await client.watchTicker(symbol('SOL'));
            ticker(market, '~ticker', symbol('SOL'), 'SOL', got);
        },
    };
    for (const [name, call] of Object.entries(steps)) await step(market, name, call);
}

// Trading at the simulated Binance: one account; each step goes on where the one before it ended.
const PAIR = 'BTC/USDT';
const FAR = 50000; // A bid at this price rests.

async function trade() {
    const apiKey = 'foreign-ccxt-js';
    // No key is registered: what signs for it by HMAC is the SHA-256 digest of its text.
    const secret = crypto.createHash('sha256').update(apiKey).digest('hex');
    const options = { fetchMarkets: { types: ['spot'] } };
    const client = new ccxt.binance({ timeout: 10000, apiKey, secret, options });
    const refused = async (error, call) => {
        try {
            await call;
        } catch (thrown) {
            if (thrown instanceof error) return;
            throw thrown;
        }
        throw new Wrong(`no ${error.name}`);
    };
    const limit = (got, clientOrderId, status) => {
        const want = { symbol: PAIR, side: 'buy', type: 'limit', status, amount: 0.01, price: FAR,
            clientOrderId };
        for (const [field, value] of Object.entries(want)) {
            need(got[field] === value, `${field} is ${got[field]}, not ${value}`);
        }
        return got.id;
    };
    const buy = (clientOrderId) => client.createOrder(
        PAIR, 'limit', 'buy', 0.01, FAR, { clientOrderId });
    let id;
    const steps = {
        'place': async () => {
            await client.loadMarkets();
            id = limit(await buy('js-1'), 'js-1', 'open');
            await refused(InvalidOrder, buy('js-1'));
            await refused(InsufficientFunds,
                client.createOrder(PAIR, 'limit', 'sell', 1001, 8900)); // It has 1,000.
        },
        'open': async () => {
            const got = await client.fetchOpenOrders(PAIR);
            need(got.length === 1 && got[0].id === id, `${got.length} open orders`);
            limit(await client.fetchOrder(id, PAIR), 'js-1', 'open');
        },
        'amend': async () => {
            const got = await client.editOrder(id, PAIR, 'limit', 'buy', 0.01, 49000);
            need(got.price === 49000 && got.status === 'open', `${got.price} ${got.status}`);
            id = got.id;
        },
        'cancel': async () => {
            await client.cancelOrder(id, PAIR);
            const got = await client.fetchOrder(id, PAIR);
            need(got.status === 'canceled', `status ${got.status}`);
            await refused(OrderNotFound, client.cancelOrder(id, PAIR));
            await buy('js-2');
            await client.cancelAllOrders(PAIR);
            need(!(await client.fetchOpenOrders(PAIR)).length, 'some are open still');
        },
        'fills': async () => {
            const bought = await client.createOrder(PAIR, 'market', 'buy', 0.01);
            need(bought.status === 'closed' && bought.filled === 0.01, `status ${bought.status}`);
            const got = (await client.fetchMyTrades(PAIR)).filter((one) => one.order === bought.id);
            need(got.length && got[0].fee.currency === 'BTC', 'no trade with a fee in BTC');
            price('BTC', got[0].price);
        },
        'funds': async () => {
            const before = await client.fetchBalance();
            await buy('js-3');
            const after = await client.fetchBalance();
            need(Math.abs(after.USDT.used - 500) < 1e-6, `used ${after.USDT.used}`);
            need(Math.abs(after.USDT.total - before.USDT.total) < 1e-6, 'the total changed');
            await client.cancelAllOrders(PAIR);
        },
        '~orders': async () => {
            const params = { clientOrderId: 'js-4' };
            const placed = await client.createOrderWs(PAIR, 'limit', 'buy', 0.01, FAR, params);
            id = limit(placed, 'js-4', 'open');
            const got = await client.fetchOpenOrdersWs(PAIR);
            need(got.length === 1 && got[0].id === id, `${got.length} open orders`);
            const cancelled = await client.cancelOrderWs(id, PAIR);
            need(cancelled.status === 'canceled', `status ${cancelled.status}`);
        },
        '~funds': async () => {
            const got = await client.fetchBalanceWs();
            need(got.BTC && got.BTC.free > 0, 'no BTC among its balances');
        },
        '~events': async () => {
            const first = client.watchOrders(PAIR);
            await sleep(500); // Until it is subscribed; ccxt does not say when.
            await buy('js-5');
            let got = await first;
            limit(got[got.length - 1], 'js-5', 'open');
            const next = client.watchOrders(PAIR); // It forgets what is told while nobody waits.
            await client.cancelOrder(got[got.length - 1].id, PAIR);
            got = await next;
            while (got[got.length - 1].status !== 'canceled') got = await client.watchOrders(PAIR);
            const trades = client.watchMyTrades(PAIR);
            await sleep(500);
            const bought = await client.createOrder(PAIR, 'market', 'buy', 0.01);
            const told = await trades;
            need(told[told.length - 1].order === bought.id, 'another order\'s trade');
        },
    };
    for (const [name, call] of Object.entries(steps)) await step('binance', name, call);
}

process.on('unhandledRejection', () => {}); // A subscription that nobody waits for any more.
const given = process.argv.slice(2);
const asked = given.length ? given : Object.keys(MARKETS);
const trading = asked.includes('binance') ? [trade()] : [];
Promise.all([...asked.map(run), ...trading]).then(() => process.exit(0));
