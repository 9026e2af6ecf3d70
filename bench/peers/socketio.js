// A room on socket.io: what a member sends goes to all of them. A connection becomes a member by `join`.
'use strict';
const { createServer } = require('http');
const { Server } = require('socket.io');

const http = createServer();
const server = new Server(http, {
  transports: ['websocket'], perMessageDeflate: false, serveClient: false,
  // Nobody is asked during a measurement.
  pingInterval: 600_000,
});
server.on('connection', (socket) => {
  socket.on('join', () => {
    socket.join('room');
    socket.emit('joined');
  });
  socket.on('say', (text) => server.to('room').emit('say', text));
});
http.listen({ host: '127.0.0.1', port: Number(process.env.PORT), backlog: 4096 });
