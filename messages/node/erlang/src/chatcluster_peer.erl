%% Who may connect by TLS: whoever has a certificate of the ChatCluster's authority *and* one of the URIs that the
%% node's options name. Certificates of gateways are of the same authority, and have no business here.
-module(chatcluster_peer).

-export([verify/3]).

%% Called by ssl for each certificate of the other side's chain, its own last (`verify_fun`).
-spec verify(tuple(), term(), [string()]) -> {valid, [string()]} | {unknown, [string()]} | {fail, term()}.
verify(_, Reason = {bad_cert, _}, _) ->
    {fail, Reason};
verify(_, {extension, _}, Uris) ->
    {unknown, Uris};
verify(_, valid, Uris) ->
    {valid, Uris};
verify(Certificate, valid_peer, Uris) ->
    case [Uri || Uri <- names(Certificate), lists:member(Uri, Uris)] of
        [_ | _] -> {valid, Uris};
        [] -> {fail, {bad_cert, {wrong_role, names(Certificate)}}}
    end.

%% The URIs among the subject's alternative names. (#'OTPCertificate'{}, without the headers of public_key.)
names({'OTPCertificate', Signed, _, _}) ->
    case element(tuple_size(Signed), Signed) of
        Extensions when is_list(Extensions) ->
            [Uri || {'Extension', {2, 5, 29, 17}, _, Names} <- Extensions, {uniformResourceIdentifier, Uri} <- Names];
        _ ->
            []
    end.
