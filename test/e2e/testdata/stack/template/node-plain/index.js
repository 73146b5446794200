'use strict'
const http = require('http')
const handler = require('./function/handler')

http.createServer((req, res) => {
  const parts = []
  req.on('data', (part) => parts.push(part))
  req.on('end', async () => {
    try {
      const body = await handler({ body: Buffer.concat(parts).toString(), method: req.method, query: new URL(req.url, 'http://x').searchParams })
      res.writeHead(200, { 'Content-Type': 'application/json' })
      res.end(JSON.stringify(body))
    } catch (err) {
      res.writeHead(500)
      res.end(String(err))
    }
  })
}).listen(3000, '127.0.0.1')
