%% What a node of the message service offers to the service, and how it starts.
%%
%% A node is an ordered map of binaries, in Mnesia, on its own disk. It decides nothing about messages: the service
%% reads, decides and writes, and names with each write what it had read. A write whose reading is not true any
%% more is refused with what is true now.
%%
%% - chatcluster_logs: are Mnesia's files as they were left?
%% - chatcluster_tables: the tables, and what the node knows about itself
%% - chatcluster_writer: writes and syncs; chatcluster_reader: reads; chatcluster_digest: tells shortly what is there
%%
%% Values and keys are binaries; the first byte of a key names its table. Times are in milliseconds.
-module(chatcluster_node).

-export([start/0, describe/0, write/4, read/2, digest/3, info/0]).
-export_type([to/0, refusal/0, key/0, value/0, check/0, write/0, scan/0, rows/0]).

%% Whom a caller takes this node for, and the version of the cluster's layout that it goes by.
-type to() :: {Identity :: binary(), Version :: non_neg_integer()}.
%% This is another node, or the caller's layout is not the newest that this one has heard of.
-type refusal() :: starting | {other, Identity :: binary()} | {stale, Highest :: non_neg_integer()}.

-type key() :: binary().
-type value() :: binary().
%% What has been read: a key with its value, or a range with its rows.
-type check() :: {key(), value() | absent} | {scan(), rows()}.
-type write() :: {key(), value()} | key().
%% {From (inside), To (outside), from the highest down, most rows, truncated behind that many bytes}
-type scan() :: {key(), key(), boolean(), non_neg_integer(), non_neg_integer()}.
%% Rows in the scan's direction; whether there may be more.
-type rows() :: {[{key(), value()}], boolean()}.

%% Starts the node, for `erl -s chatcluster_node`. When a part of it ends, all of it does: whoever started the
%% program starts it again, and it reads what is on disk.
-spec start() -> ok.
start() ->
    Starter = self(),
    {Pid, Monitor} = spawn_monitor(fun() -> run(Starter) end),
    receive
        {Pid, started} -> erlang:demonitor(Monitor, [flush]), ok;
        {'DOWN', Monitor, process, Pid, Reason} -> exit({chatcluster_node, Reason})
    end.

run(Starter) ->
    process_flag(trap_exit, true),
    try
        Dir = chatcluster_tables:folder(),
        Found = chatcluster_logs:check(Dir),
        ok = chatcluster_tables:open(Found),
        {ok, Writer} = chatcluster_writer:start_link(),
        Mnesia = monitor(process, mnesia_sup),
        logger:notice("the node serves ~ts, which is ~p", [Dir, Found]),
        Starter ! {self(), started},
        receive
            {'EXIT', Writer, Reason} -> die("its writer has ended", Reason);
            {'DOWN', Mnesia, process, _, Reason} -> die("Mnesia has ended", Reason)
        end
    catch
        throw:{unusable, Text} -> die(Text, unusable);
        Class:Error:Stack -> die("it could not start", {Class, Error, Stack})
    end.

-spec die(string(), term()) -> no_return().
die(Text, Reason) ->
    logger:error("the node ends: ~ts (~0p)", [Text, Reason]),
    %% Whoever writes the log to where it can be read gets some time.
    timer:sleep(100),
    erlang:halt(1).

%% Who this is. The node can be reached before its tables are loaded.
-spec describe() -> #{atom() => term()} | starting.
describe() ->
    case chatcluster_writer:refusal({<<>>, 0}) of
        starting -> starting;
        _ -> maps:put(schema, chatcluster_tables:schema(), chatcluster_tables:own())
    end.

%% Writes, if all that was checked is as it was read. The answer comes when it is on disk and synced, and so does
%% the answer to what only checks: it tells of nothing that could be lost. A key that is written alone is removed.
-spec write(to(), Decided :: integer(), [check()], [write()]) ->
    ok
    | {changed, [{Index :: pos_integer(), value() | absent | rows()}]}
    | {clock, Now :: integer()}
    | refusal().
write(To, Decided, Checks, Writes) when is_integer(Decided) ->
    lists:foreach(fun({What, _}) -> place(What) end, Checks),
    Keys = [written(Write) || Write <- Writes],
    length(lists:usort(Keys)) =:= length(Keys) orelse error(a_key_twice),
    case chatcluster_writer:refusal(To) of
        none -> chatcluster_writer:write(To, Decided, Checks, Writes);
        Refusal -> Refusal
    end.

%% Reads ranges of one table each, all from one state of the map that is on disk and synced.
-spec read(to(), [scan()]) -> {ok, [rows()]} | refusal().
read(To, Scans) ->
    lists:foreach(fun place/1, Scans),
    case chatcluster_writer:refusal(To) of
        none -> {ok, chatcluster_reader:read(Scans)};
        Refusal -> Refusal
    end.

%% What a read of a range from its lowest key would give, told shortly: see chatcluster_digest.
-spec digest(to(), scan(), Before :: integer()) ->
    {ok, Hash :: binary(), Forgotten :: non_neg_integer(), EndedAt :: key() | none} | refusal().
digest(To, Scan = {_, _, false, _, _}, Before) when is_integer(Before) ->
    case read(To, [Scan]) of
        {ok, [Rows]} -> chatcluster_digest:of_rows(Rows, Before);
        Refusal -> Refusal
    end.

%% Raise what a caller has done wrong here, and not in the writer, which would take the node along.

place({From, To, Down, Rows, Bytes}) when is_binary(To), is_boolean(Down), is_integer(Rows), is_integer(Bytes) ->
    place(From);
place(Key) when is_binary(Key) ->
    chatcluster_tables:name(Key).

written({Key, Value}) when is_binary(Value) -> written(Key);
written(Key) when is_binary(Key) -> _ = chatcluster_tables:name(Key), Key.

%% Counts, for metrics and for people.
-spec info() -> #{atom() => term()}.
info() ->
    Tables = chatcluster_tables:names(),
    Words = [mnesia:table_info(Name, memory) || Name <- Tables],
    #{
        records => maps:from_list([{Name, mnesia:table_info(Name, size)} || Name <- Tables]),
        table_bytes => lists:sum(Words) * erlang:system_info(wordsize),
        memory_bytes => erlang:memory(total),
        binary_bytes => erlang:memory(binary),
        log_bytes => chatcluster_logs:size(chatcluster_tables:folder()),
        writer => chatcluster_writer:info()
    }.
