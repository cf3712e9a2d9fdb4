/* client: Node's HTTP clients, for measure.py.
 *
 *     node client.js https|fetch < "ID URL" lines     prints "ID whole BYTES" or "ID failed BYTES WHY"
 *
 * The certificate comes in NODE_EXTRA_CA_CERTS.  "end" is taken for the end, "error" for an error, as the manual shows it. */
'use strict';
const https = require('https');
const readline = require('readline');
const LIMIT_MS = 10000;

function byHttps(url, got) {
  return new Promise((whole, failed) => {
    const ask = https.get(url, { agent: false, timeout: LIMIT_MS }, answer => {
      answer.on('data', piece => { got.bytes += piece.length; }).on('end', whole).on('error', failed);
    });
    ask.on('error', failed).on('timeout', () => ask.destroy(new Error('no end within the limit')));
  });
}

async function byFetch(url, got) {
  const answer = await fetch(url, { signal: AbortSignal.timeout(LIMIT_MS) });
  for await (const piece of answer.body) got.bytes += piece.length;
}

function why(problem) {
  const cause = problem.cause ? ' (' + (problem.cause.code || '') + ' ' + problem.cause.message + ')' : '';
  return ((problem.code || problem.name) + ' ' + problem.message + cause).replace(/\s+/g, ' ');
}

async function main() {
  const how = { https: byHttps, fetch: byFetch }[process.argv[2]];
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [name, url] = line.split(' ');
    const got = { bytes: 0 };
    try {
      await how(url, got);
      console.log(name, 'whole', got.bytes);
    } catch (problem) {
      console.log(name, 'failed', got.bytes, why(problem));
    }
  }
}

main();
