%% Mnesia's files before Mnesia opens them.
%%
%% Mnesia can repair them itself (`auto_repair`), but says only in its log what it has lost, and goes on without an
%% unreadable file as if it had been empty. Here is found out whether all is there that was ever acknowledged:
%%
%% - The log's end may be torn: what was not synced when the machine went down, and was acknowledged to nobody. It
%%   is cut off. What cannot be read *before* a record is damage: that record was written only after what is before
%%   it had been synced. Pages of the end may have come to the disk out of order, so the writer puts a sum into each
%%   record, and one whose sum is wrong counts as what cannot be read.
%% - The log before it was synced as a whole, and so were the tables' files; what the dumper was adding to them when
%%   the machine went down is in that log.
%%
%% What is damaged stays beside the rest, as `*.damaged`, and the node says that it is not whole.
-module(chatcluster_logs).

-export([check/1, sync/1, sync_previous/1, size/1, sum/1]).

-define(LATEST, "LATEST.LOG").
-define(PREVIOUS, "PREVIOUS.LOG").
%% A file of disk_log begins with 8 bytes.
-define(HEAD, 8).

%% What the folder holds; it can be opened afterwards.
-spec check(file:filename()) -> blank | whole | {damaged, [string()]}.
check(Dir) ->
    ok = filelib:ensure_path(Dir),
    Schema = filelib:is_regular(filename:join(Dir, "schema.DAT")),
    case {Schema, filelib:wildcard("*.{DCD,DCL}", Dir)} of
        {true, Tables} ->
            Dumping = filelib:is_regular(filename:join(Dir, ?PREVIOUS)),
            Files = Tables ++ filelib:wildcard("*.LOG", Dir),
            case [File || File <- Files, look(Dir, File, Dumping) =:= damaged] of
                [] -> whole;
                Damaged -> {damaged, Damaged}
            end;
        {false, []} ->
            %% Nothing was acknowledged before there were tables: what is here was left by a start that broke off.
            [ok = file:delete(filename:join(Dir, File)) || File <- filelib:wildcard("*.{BUP,TMP,LOG}", Dir)],
            blank;
        {false, [_ | _]} ->
            Text = "~ts holds tables and no schema.DAT; empty the folder, and the node is filled anew",
            throw({unusable, io_lib:format(Text, [Dir])})
    end.

look(Dir, File, Dumping) ->
    Path = filename:join(Dir, File),
    Open = File =:= ?LATEST orelse (Dumping andalso filename:extension(File) =:= ".DCL"),
    case scan(Path) of
        {ok, 0} when Open ->
            %% Made, and nothing written to it.
            ok = file:delete(Path),
            whole;
        {ok, _} ->
            keep(Path, all),
            whole;
        {torn, 0} when Open ->
            ok = file:delete(Path),
            whole;
        {torn, Records} when Open ->
            logger:notice("the end of ~ts is torn; what was not acknowledged is cut off", [File]),
            keep(Path, Records),
            whole;
        _ ->
            logger:error("~ts is damaged, and kept as ~ts.damaged", [File, File]),
            {ok, _} = file:copy(Path, Path ++ ".damaged"),
            keep(Path, all),
            damaged
    end.

%% How many records are good, and whether something is wrong behind them, or before one of them.
-spec scan(file:filename()) -> {ok | torn, non_neg_integer()} | damaged.
scan(Path) ->
    case open(Path, [{mode, read_only}]) of
        {ok, Log} ->
            Scanned = scan(Log, disk_log:chunk(Log, start), {ok, 0}),
            ok = disk_log:close(Log),
            Scanned;
        {error, {not_a_log_file, _}} ->
            case filelib:file_size(Path) < ?HEAD of
                true -> {torn, 0};
                false -> damaged
            end
    end.

scan(_, eof, Scanned) -> Scanned;
scan(_, {error, _}, {_, Good}) -> {torn, Good};
scan(Log, {Next, Records}, Scanned) -> scan(Log, disk_log:chunk(Log, Next), good(Records, Scanned));
%% The records come before the bytes that cannot be read.
scan(Log, {Next, Records, _Bytes}, Scanned) ->
    Read = case good(Records, Scanned) of
        {_, Good} -> {torn, Good};
        damaged -> damaged
    end,
    scan(Log, disk_log:chunk(Log, Next), Read).

good([], Scanned) -> Scanned;
good(_, damaged) -> damaged;
good([Record | Records], {Before, Good}) ->
    case {is_as_written(Record), Before} of
        {true, ok} -> good(Records, {ok, Good + 1});
        {true, torn} -> damaged;
        {false, _} -> good(Records, {torn, Good})
    end.

%% Mnesia's record of a transaction has the changes of tables of disc_copies in its fifth place.
is_as_written(Commit) when element(1, Commit) =:= commit ->
    Meta = chatcluster_tables:meta(),
    Changes = element(5, Commit),
    case lists:keyfind({Meta, sum}, 1, Changes) of
        {_, {Meta, sum, Sum}, write} -> Sum =:= sum([row(Change) || Change <- Changes]);
        false -> true
    end;
is_as_written(_) ->
    true.

row({{Table, Key}, {Table, Key}, delete}) -> {Table, Key};
row({{Table, Key}, Row = {Table, Key, _}, write}) -> Row;
%% Not as it was written: the sum will be another.
row(_) -> {?MODULE, <<>>}.

%% A sum over rows that are written and `{Table, Key}` that are deleted, in whichever order, but for itself.
-spec sum([tuple()]) -> non_neg_integer().
sum(Rows) ->
    lists:foldl(fun(Row, Sum) -> Sum bxor sum_of(Row) end, 0, Rows).

sum_of({_, sum, _}) -> 0;
sum_of({Table, Key}) -> erlang:crc32([atom_to_binary(Table), 0, Key]);
sum_of({Table, Key, Value}) when is_binary(Value) ->
    erlang:crc32([atom_to_binary(Table), 1, <<(byte_size(Key)):32>>, Key, Value]);
sum_of(Row) -> erlang:crc32(term_to_binary(Row)).

%% Leaves a file that was closed in order, with its first records.
keep(Path, all) ->
    case open(Path, [{repair, true}]) of
        {ok, Log} -> close(Log);
        {repaired, Log, _, _} -> close(Log);
        {error, {not_a_log_file, _}} -> ok = file:delete(Path)
    end;
keep(Path, Records) ->
    Copy = Path ++ ".TMP",
    _ = file:delete(Copy),
    {ok, From} = open(Path, [{mode, read_only}]),
    {ok, To} = disk_log:open([{name, {?MODULE, copy}}, {file, Copy}]),
    ok = copy(From, To, disk_log:bchunk(From, start), Records),
    ok = disk_log:close(From),
    close(To),
    ok = file:rename(Copy, Path).

copy(_, _, _, 0) -> ok;
copy(From, To, Chunk, Records) ->
    {Next, Read} = {element(1, Chunk), element(2, Chunk)},
    Some = lists:sublist(Read, Records),
    ok = disk_log:blog_terms(To, Some),
    copy(From, To, disk_log:bchunk(From, Next), Records - length(Some)).

open(Path, Options) ->
    disk_log:open([{name, ?MODULE}, {file, Path}, {quiet, true} | Options]).

close(Log) ->
    ok = disk_log:sync(Log),
    ok = disk_log:close(Log).

%% All that is in the folder, and the names in it.
-spec sync(file:filename()) -> ok.
sync(Dir) ->
    {ok, Files} = file:list_dir(Dir),
    [sync_file(filename:join(Dir, File), []) || File <- Files],
    sync_file(Dir, [directory]).

%% The log that is being carried over, if one is, and its name.
-spec sync_previous(file:filename()) -> ok.
sync_previous(Dir) ->
    case sync_file(filename:join(Dir, ?PREVIOUS), []) of
        ok -> sync_file(Dir, [directory]);
        absent -> ok
    end.

sync_file(Path, Options) ->
    case file:open(Path, [read, raw | Options]) of
        {ok, File} ->
            ok = file:sync(File),
            ok = file:close(File);
        {error, enoent} ->
            absent
    end.

%% Bytes of the logs that are not carried over yet.
-spec size(file:filename()) -> non_neg_integer().
size(Dir) ->
    lists:sum([filelib:file_size(filename:join(Dir, File)) || File <- [?LATEST, ?PREVIOUS]]).
