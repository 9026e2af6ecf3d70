%% The tables: created once, checked at each start, carried on to a newer schema.
-module(chatcluster_tables).

-export([folder/0, open/1, names/0, name/1, schema/0, own/0, meta/0]).

%% Rises when tables or records change in a way that an older module cannot read.
-define(SCHEMA, 1).
%% What the node knows about itself.
-define(META, chatcluster_meta).
-define(PATIENCE, 600000).

-spec schema() -> pos_integer().
schema() -> ?SCHEMA.

-spec meta() -> atom().
meta() -> ?META.

%% Tables, each at the place that the first byte of its keys says, as the service numbers them.
-define(TABLES, {
    archive, index, participation, reference, order, fan_out, registry, inbox, receipt, delivered, moved, departure,
    revocation, revocation_feed, read_mark, group, privacy, roster
}).

-spec names() -> [atom()].
names() -> tuple_to_list(?TABLES).

%% The table of a key.
-spec name(binary()) -> atom().
name(<<Number, _/binary>>) when Number >= 1, Number =< tuple_size(?TABLES) -> element(Number, ?TABLES);
name(Key) -> error({no_table, Key}).

%% Where Mnesia's files are: `-mnesia dir '"…"'`.
-spec folder() -> string().
folder() ->
    _ = application:load(mnesia),
    case application:get_env(mnesia, dir) of
        {ok, Dir} when is_list(Dir) -> Dir;
        _ -> throw({unusable, "no folder is given: start it with -mnesia dir"})
    end.

%% Opens the map, or creates it where there is none.
-spec open(blank | whole | {damaged, [string()]}) -> ok.
open(Found) ->
    Settings = [
        %% Whoever repairs must know what was lost: chatcluster_logs does it before.
        {auto_repair, false},
        %% The writer says when the log is carried over to the tables' files.
        {dump_log_write_threshold, 16#ffffffff},
        {dump_log_time_threshold, 16#ffffffff}
    ],
    [ok = application:set_env(mnesia, Name, Value) || {Name, Value} <- Settings],
    case Found of
        blank -> ok = mnesia:create_schema([node()]), start(Found);
        %% Mnesia carries over what is left in the log.
        _ -> chatcluster_logs:dump(folder(), fun() -> start(Found) end)
    end.

start(Found) ->
    ok = mnesia:start(),
    create(),
    ok = wait(),
    upgrade(read(schema)),
    case Found of
        %% Nobody may take it for the one that had all.
        {damaged, _} -> write([{whole, false}, {identity, identity()}]);
        _ -> ok
    end,
    %% Else the dumper now and then copies a table as it is, with what is not synced: after a crash one table would
    %% have a write that the others have not. (0 stands for never; at the start it may.)
    _ = mnesia_lib:set(dc_dump_limit, 0),
    chatcluster_logs:opened(folder()).

%% Tables that are missing: all of a new map, or those of a newer schema.
create() ->
    [create(Name) || Name <- [?META | names()] -- mnesia:system_info(tables)],
    ok.

create(Name) ->
    Options = [{type, ordered_set}, {attributes, [key, value]}, {disc_copies, [node()]}],
    {atomic, ok} = mnesia:create_table(Name, Options).

wait() ->
    case mnesia:wait_for_tables([?META | names()], ?PATIENCE) of
        ok -> ok;
        Why -> throw({unusable, io_lib:format("its tables do not load: ~0p", [Why])})
    end.

%% One step for each schema that came after the first.
upgrade(?SCHEMA) ->
    ok;
upgrade(absent) ->
    %% Of its own, so that a node whose disk was emptied is not taken for the one that it was.
    write([{schema, ?SCHEMA}, {identity, identity()}, {whole, true}, {version, 0}]);
upgrade(Newer) ->
    throw({unusable, io_lib:format("its tables have schema ~0p, and this module knows ~0p", [Newer, ?SCHEMA])}).

%% Another one whenever something may be missing that was acknowledged.
identity() ->
    binary:encode_hex(crypto:strong_rand_bytes(16)).

%% What the node knows about itself: who it is, and whether it has all that it ever acknowledged.
-spec own() -> #{identity => binary(), whole => boolean(), version => non_neg_integer()}.
own() ->
    maps:from_list([{Name, read(Name)} || Name <- [identity, whole, version]]).

read(Name) ->
    case ets:lookup(?META, Name) of
        [{?META, Name, Value}] -> Value;
        [] -> absent
    end.

write(Rows) ->
    Write = fun() -> [mnesia:write({?META, Name, Value}) || {Name, Value} <- Rows] end,
    {atomic, _} = mnesia:transaction(Write),
    ok = disk_log:sync(latest_log).
