%% Reads the map beside the writer, without stopping it.
-module(chatcluster_reader).

-export([read/1, scan/1, value/1]).

%% How often a read that the writer came across begins again, before it is put between two writes.
-define(ATTEMPTS, 4).

%% All ranges from one state, which is synced when this answers.
-spec read([chatcluster_node:scan()]) -> [chatcluster_node:rows()].
read(Scans) ->
    read(Scans, ?ATTEMPTS).

read(Scans, 0) ->
    chatcluster_writer:read(Scans);
read(Scans, Attempts) ->
    case chatcluster_writer:begun() of
        changing ->
            erlang:yield(),
            read(Scans, Attempts - 1);
        State ->
            Rows = [scan(Scan) || Scan <- Scans],
            case chatcluster_writer:begun() of
                State ->
                    ok = chatcluster_writer:synced(State),
                    Rows;
                _ ->
                    read(Scans, Attempts - 1)
            end
    end.

%% Mnesia keeps the tables of disc_copies in ETS under their own names, and reads them there itself.

-spec value(chatcluster_node:key()) -> chatcluster_node:value() | absent.
value(Key) ->
    Table = chatcluster_tables:name(Key),
    case ets:lookup(Table, Key) of
        [{Table, Key, Value}] -> Value;
        [] -> absent
    end.

-spec scan(chatcluster_node:scan()) -> chatcluster_node:rows().
scan({From, To, _, _, _}) when From >= To ->
    {[], false};
scan({From, To, false, Rows, Bytes}) ->
    Table = chatcluster_tables:name(From),
    Inside = fun(Key) -> Key < To end,
    Next = fun(Key) -> ets:next(Table, Key) end,
    First = case ets:member(Table, From) of
        true -> From;
        false -> Next(From)
    end,
    page(Table, First, Next, Inside, Rows, Bytes, []);
scan({From, To, true, Rows, Bytes}) ->
    Table = chatcluster_tables:name(From),
    Inside = fun(Key) -> Key >= From end,
    Next = fun(Key) -> ets:prev(Table, Key) end,
    page(Table, Next(To), Next, Inside, Rows, Bytes, []).

%% Rows until there are no more, or there is no room for one that is there.
page(Table, Key, Next, Inside, Rows, Bytes, Page) ->
    case Key =/= '$end_of_table' andalso Inside(Key) of
        false ->
            {lists:reverse(Page), false};
        true when Rows =< 0; Bytes =< 0 ->
            {lists:reverse(Page), true};
        true ->
            case ets:lookup(Table, Key) of
                [{Table, Key, Value}] ->
                    Left = Bytes - byte_size(Value),
                    page(Table, Next(Key), Next, Inside, Rows - 1, Left, [{Key, Value} | Page]);
                %% Removed while this read: the writer came across, and this page will not be used.
                [] ->
                    page(Table, Next(Key), Next, Inside, Rows, Bytes, Page)
            end
    end.
