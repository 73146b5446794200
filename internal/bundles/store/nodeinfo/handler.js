// Describes the instance that answers; ?format=json for programs.
'use strict';
const os = require('node:os');

exports.handle = (event) => {
  const info = {
    hostname: os.hostname(), platform: os.platform(), arch: os.arch(), release: os.release(),
    node: process.version, cpus: os.cpus().length, loadAverage: os.loadavg(),
    memory: { total: os.totalmem(), free: os.freemem(), used: process.memoryUsage().rss },
    uptime: Math.round(os.uptime()), function: process.env.ROUSE_FUNCTION, revision: Number(process.env.ROUSE_REVISION),
  };
  if (event.query.format === 'json') return info;
  const lines = Object.entries(info).map(([name, value]) => `${name}: ${typeof value === 'object' ? JSON.stringify(value) : value}`);
  return lines.join('\n') + '\n';
};
