'use strict'

module.exports = async (event) => {
  if (event.body === 'fail') throw new Error('told to')
  return { words: event.body.split(/\s+/).filter(Boolean).length, by: event.query.get('by') }
}
