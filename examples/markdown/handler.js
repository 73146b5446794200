'use strict';

const { marked } = require('marked');

// handle renders the Markdown in the body as HTML; ?page=TITLE makes it a
// whole page. HTML in the input is shown as text, not passed through.
const escape = (text) => text.replace(/[&<>"]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c]);

const safe = (href) => !/^\s*(javascript|vbscript|data):/i.test(href.replace(/[\u0000-\u0020]/g, ''));

marked.use({
  gfm: true,
  renderer: {
    html: ({ text }) => escape(text),
    link(token) {
      return safe(token.href) ? false : this.parser.parseInline(token.tokens);
    },
    image: (token) => (safe(token.href) ? false : escape(token.text)),
  },
});

exports.handle = async (event, context) => {
  const text = await event.text();
  context.log.info('rendering %d characters', text.length);
  let html = marked.parse(text);
  const title = event.query.page;
  if (title !== undefined) {
    html = `<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>${escape(title)}</title></head><body>\n${html}</body></html>\n`;
  }
  return [200, { 'Content-Type': 'text/html; charset=utf-8' }, html];
};
