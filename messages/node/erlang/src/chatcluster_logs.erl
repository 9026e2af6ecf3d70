%% Mnesia's files before Mnesia opens them.
%%
%% Mnesia can repair them itself (`auto_repair`), but says only in its log what it has lost, and goes on without an
%% unreadable file as if it had been empty. Here is found out whether all is there that was ever acknowledged:
%%
%% - The logs (the one before, while it is carried over, and the latest) may end in what was not synced when the
%%   machine went down, and pages reach a disk in any order. So each write has a sum, a number, and the number up to
%%   which all were synced by then. What is missing is damage if a later write says that it was synced; else it was
%%   acknowledged to nobody, and is cut off with all that is behind it.
%% - The tables' files are synced when they are closed. What the dumper was adding to one when the machine went
%%   down is also in a log, so it may be torn: before a dump begins it is written down how long each file is.
%%
%% What is damaged stays beside the rest, as `*.damaged`, and is looked at by people: while it is there, the node
%% says at each start that it is not whole.
-module(chatcluster_logs).

-export([check/1, opened/1, dump/2, sync_previous/2, sync_names/1, size/1, sum/1]).

-define(LATEST, "LATEST.LOG").
-define(PREVIOUS, "PREVIOUS.LOG").
%% Nothing was acknowledged before this file was there.
-define(OPENED, "OPENED").
%% How long the tables' files were when a dump began that may not have ended.
-define(DUMPING, "DUMPING").
%% What Mnesia has to know of the tables. It writes it again at each start, in place and without a sync, so a copy that
%% is whole takes its place before.
-define(SCHEMA, "schema.DAT").
-define(SCHEMA_COPY, "SCHEMA").
%% A file of disk_log begins with these, or with another second word while it is open.
-define(HEAD, 8).
-define(MAGIC, 1, 2, 3, 4).
-define(CLOSED, 99, 88, 77, 11).
%% Before each record stand its size and this; and an MD5 of the size from here on.
-define(RECORD, 98, 87, 76, 65).
-define(LONG, 65528).
%% No write is that large: a size that says so cannot be read.
-define(LARGEST, 64 * 1024 * 1024).
-define(PIECE, 1024 * 1024).

%% What the folder holds; it can be opened afterwards.
-spec check(file:filename()) -> blank | whole | {damaged, [string()]}.
check(Dir) ->
    ok = filelib:ensure_path(Dir),
    ok = sync_names(filename:dirname(filename:absname(Dir))),
    case filelib:is_regular(path(Dir, ?OPENED)) of
        true ->
            opened_before(Dir);
        false ->
            %% What a first start has left that broke off.
            [ok = file:delete(path(Dir, File)) || File <- filelib:wildcard("*.{DAT,DCD,DCL,BUP,TMP,LOG}", Dir)],
            blank
    end.

opened_before(Dir) ->
    case file:read_file(path(Dir, ?SCHEMA_COPY)) of
        {ok, Schema} -> replace(Dir, ?SCHEMA, Schema);
        {error, enoent} -> ok
    end,
    filelib:is_regular(path(Dir, ?SCHEMA)) orelse
        throw({unusable, io_lib:format("~ts has no schema.DAT; empty the folder, and it is filled anew", [Dir])}),
    %% It was copied while it was open.
    {ok, schema} = dets:open_file(schema, [{file, path(Dir, ?SCHEMA)}, {keypos, 2}, {repair, true}]),
    ok = dets:close(schema),
    %% How transactions between nodes ended. There are none, and Mnesia does not start over a torn one.
    [file:delete(path(Dir, File)) || File <- ["DECISION_TAB.LOG", "DECISION_TAB.TMP"]],
    Lengths = lengths(Dir),
    Logs = logs(Dir, [File || File <- [?PREVIOUS, ?LATEST], filelib:is_regular(path(Dir, File))]),
    Tables = [File || File <- filelib:wildcard("*.{DCD,DCL}", Dir), table(Dir, File, Lengths) =:= damaged],
    %% A start that broke off may have seen some before.
    Before = [filename:rootname(File) || File <- filelib:wildcard("*.damaged", Dir)],
    case lists:usort(Logs ++ Tables ++ Before) of
        [] -> whole;
        Damaged -> {damaged, Damaged}
    end.

%% --- The logs, as one stream of writes -------------------------------------------------------------------------

logs(Dir, Files) ->
    Stream = lists:append([[{File, Found} || Found <- records(path(Dir, File))] || File <- Files]),
    case judge(Stream, none, none) of
        whole ->
            [whole(path(Dir, File), lists:keymember(File, 1, Stream)) || File <- Files],
            [];
        {cut, Last} ->
            logger:notice("the log's end is torn; what was not acknowledged is cut off"),
            cut(Dir, Files, Last),
            [];
        damaged ->
            [set_aside(Dir, File) || File <- Files],
            Files
    end.

whole(Path, true) -> close(Path);
%% Made, and nothing written to it. Mnesia would take it for one that has its header.
whole(Path, false) -> ok = file:delete(Path).

%% `Last` is where the good part ends, `Number` that of the last write in it.
judge([], _, _) ->
    whole;
judge(Stream = [{File, {good, End, Record}} | Rest], Last, Number) ->
    case place(Record) of
        none -> judge(Rest, {File, End}, Number);
        {Next, _} when Number =:= none; Next =:= Number + 1 -> judge(Rest, {File, End}, Next);
        _ -> missing(Stream, Last, Number)
    end;
judge([{_, hole} | Rest], Last, Number) ->
    missing(Rest, Last, Number).

%% Something is missing behind the write with this number. Was it synced?
missing(Stream, Last, Number) ->
    Places = [place(Record) || {_, {good, _, Record}} <- Stream, element(1, Record) =/= log_header],
    Synced = [Synced || {_, Synced} <- Places],
    Before = case {Number, [Next || {Next, _} <- Places]} of
        {none, [First | _]} -> First - 2;
        {none, []} -> 0;
        _ -> Number
    end,
    case lists:member(none, Places) orelse lists:any(fun(Up) -> Up > Before end, Synced) of
        true -> damaged;
        false -> {cut, Last}
    end.

%% The number of a write and the number up to which all were synced; `none` for what Mnesia writes by itself.
place(Commit) when element(1, Commit) =:= commit ->
    Meta = chatcluster_tables:meta(),
    case lists:keyfind({Meta, sum}, 1, element(5, Commit)) of
        {_, {Meta, sum, {Place, _}}, write} -> Place;
        false -> none
    end;
place(_) ->
    none.

cut(Dir, Files, none) ->
    [ok = file:delete(path(Dir, File)) || File <- Files],
    ok;
cut(Dir, Files, {Last, End}) ->
    {Good, [Last | Behind]} = lists:splitwith(fun(File) -> File =/= Last end, Files),
    [close(path(Dir, File)) || File <- Good],
    truncate(path(Dir, Last), End),
    [ok = file:delete(path(Dir, File)) || File <- Behind],
    ok.

%% --- The tables' files ------------------------------------------------------------------------------------------

table(Dir, File, Lengths) ->
    Path = path(Dir, File),
    {Good, Behind} = lists:splitwith(fun(Found) -> Found =/= hole end, records(Path)),
    End = case Good of
        [] -> 0;
        _ -> element(2, lists:last(Good))
    end,
    case {Behind, is_being_dumped(File, End, Lengths)} of
        {[], _} -> close(Path), whole;
        {_, true} when End =:= 0 -> ok = file:delete(Path), whole;
        {_, true} -> truncate(Path, End), whole;
        {_, false} -> set_aside(Dir, File), damaged
    end.

%% What is behind this place of a file was added by a dump that may not have ended.
is_being_dumped(_, _, none) -> false;
is_being_dumped(File, End, Lengths) ->
    filename:extension(File) =:= ".DCL" andalso End >= maps:get(File, Lengths, 0).

lengths(Dir) ->
    case file:consult(path(Dir, ?DUMPING)) of
        {ok, [Lengths]} -> Lengths;
        %% There is none, or it cannot be read: then what is torn is damage.
        _ -> none
    end.

%% Has a dump done by `How`.
-spec dump(file:filename(), fun(() -> Done)) -> Done.
dump(Dir, How) ->
    Lengths = maps:from_list([{File, filelib:file_size(path(Dir, File))} || File <- filelib:wildcard("*.DCL", Dir)]),
    ok = replace(Dir, ?DUMPING, io_lib:format("~0p.~n", [Lengths])),
    Done = How(),
    ok = file:delete(path(Dir, ?DUMPING)),
    Done.

%% --- Records of a file of disk_log ------------------------------------------------------------------------------

%% All that can be read, with where it ends, and where something cannot.
-spec records(file:filename()) -> [{good, pos_integer(), term()} | hole].
records(Path) ->
    {ok, File} = file:open(Path, [read, raw, binary]),
    Found = case file:read(File, ?HEAD) of
        {ok, <<?MAGIC, _:32>>} -> records(File, <<>>, ?HEAD, []);
        eof -> [];
        %% Its first page is missing.
        {ok, _} -> records(File, <<>>, ?HEAD, [hole])
    end,
    ok = file:close(File),
    lists:reverse(Found).

records(File, Bytes, At, Found) ->
    case record(Bytes) of
        {Record, Length, Rest} ->
            records(File, Rest, At + Length, [{good, At + Length, Record} | Found]);
        bad ->
            skip(File, Bytes, At, hole(Found));
        more ->
            case file:read(File, ?PIECE) of
                {ok, More} -> records(File, <<Bytes/binary, More/binary>>, At, Found);
                eof when Bytes =:= <<>> -> Found;
                eof -> skip(File, Bytes, At, hole(Found))
            end
    end.

hole([hole | _] = Found) -> Found;
hole(Found) -> [hole | Found].

%% Goes on where another record may begin.
skip(File, Bytes, At, Found) ->
    case binary:match(Bytes, <<?RECORD>>, [{scope, {min(5, byte_size(Bytes)), max(0, byte_size(Bytes) - 5)}}]) of
        {Where, _} ->
            Skipped = Where - 4,
            <<_:Skipped/binary, Rest/binary>> = Bytes,
            records(File, Rest, At + Skipped, Found);
        nomatch ->
            Skipped = max(0, byte_size(Bytes) - 7),
            <<_:Skipped/binary, Rest/binary>> = Bytes,
            case file:read(File, ?PIECE) of
                {ok, More} -> skip(File, <<Rest/binary, More/binary>>, At + Skipped, Found);
                eof -> Found
            end
    end.

record(<<Size:32, ?RECORD, Rest/binary>>) when Size < ?LONG -> term(Size, 8, Rest);
record(<<Size:32, ?RECORD, Sum:16/binary, Rest/binary>>) when Size < ?LARGEST ->
    case erlang:md5(<<Size:32>>) of
        Sum -> term(Size, 24, Rest);
        _ -> bad
    end;
record(<<Size:32, ?RECORD, Rest/binary>>) when Size < ?LARGEST, byte_size(Rest) < 16 -> more;
record(Bytes) when byte_size(Bytes) < 8 -> more;
record(_) -> bad.

term(Size, Head, Bytes) ->
    case Bytes of
        <<Term:Size/binary, Rest/binary>> ->
            try binary_to_term(Term, [used]) of
                {Record, Size} ->
                    case is_as_written(Record) of
                        true -> {Record, Head + Size, Rest};
                        false -> bad
                    end;
                _ ->
                    bad
            catch
                error:badarg -> bad
            end;
        _ ->
            more
    end.

%% Mnesia's record of a transaction has the changes of tables of disc_copies in its fifth place.
is_as_written(Commit) when element(1, Commit) =:= commit ->
    Meta = chatcluster_tables:meta(),
    Changes = element(5, Commit),
    case lists:keyfind({Meta, sum}, 1, Changes) of
        {_, {Meta, sum, {Place, Sum}}, write} -> Sum =:= sum([{Meta, place, Place} | [row(Change) || Change <- Changes]]);
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

%% --- Changing files so that a power cut leaves them as they were, or as they are to be ------------------------------

%% Mnesia takes a file that was not closed for broken. (disk_log's own repair puts an unsynced copy in its place.)
close(Path) ->
    change(Path, fun(File) -> file:pwrite(File, 4, <<?CLOSED>>) end).

truncate(Path, End) ->
    change(Path, fun(File) ->
        {ok, End} = file:position(File, End),
        ok = file:truncate(File),
        file:pwrite(File, 0, <<?MAGIC, ?CLOSED>>)
    end).

change(Path, How) ->
    {ok, File} = file:open(Path, [read, write, raw]),
    case file:position(File, eof) of
        %% Made, and nothing came to the disk.
        {ok, Size} when Size < ?HEAD -> ok = file:delete(Path);
        {ok, _} -> ok = How(File), ok = file:sync(File)
    end,
    ok = file:close(File).

%% Keeps a damaged file for people, and leaves what can be read of it.
set_aside(Dir, File) ->
    Path = path(Dir, File),
    logger:error("~ts is damaged, and kept as ~ts.damaged", [File, File]),
    {ok, _} = file:copy(Path, Path ++ ".damaged"),
    ok = sync_file(Path ++ ".damaged", []),
    ok = sync_names(Dir),
    {Name, Copy} = {{?MODULE, copy}, Path ++ ".TMP"},
    _ = file:delete(Copy),
    {ok, Name} = disk_log:open([{name, Name}, {file, Copy}]),
    ok = disk_log:log_terms(Name, [Record || {good, _, Record} <- records(Path)]),
    ok = disk_log:sync(Name),
    ok = disk_log:close(Name),
    ok = sync_file(Copy, []),
    ok = file:rename(Copy, Path),
    damaged.

%% The file is as it was, or has these bytes.
replace(Dir, File, Bytes) ->
    New = path(Dir, File ++ ".NEW"),
    ok = file:write_file(New, Bytes),
    ok = sync_file(New, []),
    ok = file:rename(New, path(Dir, File)),
    sync_names(Dir).

%% All is on disk, also what Mnesia has made without a sync: from now on the folder is no new one.
-spec opened(file:filename()) -> ok.
opened(Dir) ->
    {ok, Files} = file:list_dir(Dir),
    [sync_file(path(Dir, File), []) || File <- Files],
    _ = [dets:sync(schema) || lists:member(schema, dets:all())],
    {ok, Schema} = file:read_file(path(Dir, ?SCHEMA)),
    ok = replace(Dir, ?SCHEMA_COPY, Schema),
    replace(Dir, ?OPENED, <<>>).

%% The log that is being carried over, if one is. Then names have changed, too, as they may have where one was begun.
-spec sync_previous(file:filename(), boolean()) -> ok.
sync_previous(Dir, Begun) ->
    case sync_file(path(Dir, ?PREVIOUS), []) of
        absent when not Begun -> ok;
        _ -> sync_names(Dir)
    end.

-spec sync_names(file:filename()) -> ok.
sync_names(Dir) ->
    sync_file(Dir, [directory]).

sync_file(Path, Options) ->
    case file:open(Path, [read, raw | Options]) of
        {ok, File} ->
            ok = file:sync(File),
            ok = file:close(File);
        {error, enoent} ->
            absent;
        %% `lost+found`, and what people have put there.
        {error, eisdir} ->
            ok
    end.

%% Bytes of the logs that are not carried over yet.
-spec size(file:filename()) -> non_neg_integer().
size(Dir) ->
    lists:sum([filelib:file_size(path(Dir, File)) || File <- [?LATEST, ?PREVIOUS]]).

path(Dir, File) ->
    filename:join(Dir, File).
