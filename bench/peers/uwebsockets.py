# A room on uWebSockets, by the library that socketify brings: what a member sends goes to all of them. A
# connection becomes a member by its first message. Python is asked once for each message that comes in;
# the loop, the connections and the fan-out are the library's own, without socketify's Python loop, which
# takes a whole CPU when it has nothing to do.
import os

from socketify.native import ffi, lib

PLAIN = 0
TOPIC = b"room"
JOIN = b"join"
JOINED = b"joined"


@ffi.callback("void(uws_websocket_t *, const char *, size_t, uws_opcode_t, void *)")
def message(socket, data, length, opcode, _):
    if length == len(JOIN):
        lib.uws_ws_subscribe(PLAIN, socket, TOPIC, len(TOPIC))
        lib.uws_ws_send(PLAIN, socket, JOINED, len(JOINED), opcode)
    else:
        lib.uws_publish(PLAIN, app, TOPIC, len(TOPIC), data, length, opcode, False)


@ffi.callback("void(struct us_listen_socket_t *, uws_app_listen_config_t, void *)")
def listening(socket, _config, _):
    if socket == ffi.NULL:
        raise SystemExit("cannot listen")


loop = lib.socketify_create_loop()
lib.uws_get_loop_with_native(lib.socketify_get_native_loop(loop))
app = lib.uws_create_app(PLAIN, ffi.new("struct us_socket_context_options_t *")[0])
behavior = ffi.new("uws_socket_behavior_t *")
behavior.maxPayloadLength = 65536
behavior.maxBackpressure = 16 * 1024 * 1024
behavior.message = message
lib.uws_ws(PLAIN, app, b"/*", behavior[0], ffi.NULL)
host = ffi.new("char[]", b"127.0.0.1")
config = ffi.new("uws_app_listen_config_t *", {"port": int(os.environ["PORT"]), "host": host})
lib.uws_app_listen_with_config(PLAIN, app, config[0], listening, ffi.NULL)
lib.socketify_loop_run(loop, lib.SOCKETIFY_RUN_DEFAULT)
