// Sends a client to the simulated exchanges: names, and nothing else of it, are changed. Loaded by
// `node --require`. TICKWIRE_SIM is where the simulator listens, TICKWIRE_HOSTS a file of what
// `tickwire sim --hosts` prints; NODE_EXTRA_CA_CERTS brings the trust.
'use strict';
const fs = require('fs');
const net = require('net');

const [ip, port] = process.env.TICKWIRE_SIM.split(':');
const lines = fs.readFileSync(process.env.TICKWIRE_HOSTS, 'utf8').split('\n');
const hosts = new Set(lines.flatMap((line) => line.split('#')[0].trim().split(/\s+/).slice(1)));
const connect = net.Socket.prototype.connect;

net.Socket.prototype.connect = function (...args) {
    // Node hands on [options, callback] in an array, or both as they are.
    const options = Array.isArray(args[0]) ? args[0][0] : args[0];
    if (options && typeof options === 'object' && options.host && options.host !== ip) {
        if (!hosts.has(options.host)) {
            process.stderr.write(`not simulated: ${options.host}\n`);
            options.host = '127.0.0.1';
            options.port = 9; // Nobody listens.
        } else {
            Object.assign(options, { host: ip, port: Number(port) });
        }
    }
    return connect.apply(this, args);
};
