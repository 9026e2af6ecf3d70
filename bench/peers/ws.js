// A room on ws: what a member sends goes to all of them. A connection becomes a member by its first message.
'use strict';
const { WebSocketServer } = require('ws');

const members = new Set();
const server = new WebSocketServer({
  host: '127.0.0.1', port: Number(process.env.PORT), backlog: 4096, perMessageDeflate: false,
});
server.on('connection', (socket) => {
  socket._socket.setNoDelay(true);
  socket.on('close', () => members.delete(socket));
  socket.on('message', (data) => {
    if (members.has(socket)) {
      for (const member of members) member.send(data, { binary: false });
    } else {
      members.add(socket);
      socket.send('joined');
    }
  });
});
