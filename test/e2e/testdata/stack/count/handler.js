'use strict'

const fs = require('fs')

module.exports = async (event) => {
  if (event.body === 'fail') throw new Error('told to')
  if (event.query.get('secret')) return { secret: fs.readFileSync('/var/openfaas/secrets/password', 'utf8') }
  return { words: event.body.split(/\s+/).filter(Boolean).length, by: event.query.get('by') }
}
